package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// server is something that can be measured.
type server struct {
	name    string
	command func(port int) []string
	warm    float64 // seconds of load before it counts
	logs    bool    // it takes log events
}

// process is a server that runs.
type process struct {
	address string
	echo    bool
	ready   time.Duration
	cmd     *exec.Cmd
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// start runs the server and waits until it answers.
func (s server) start(ctx context.Context) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	command := s.command(port)
	cmd := exec.Command(command[0], command[1:]...)
	log, err := os.CreateTemp("", "obidos-bench-log-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(log.Name())
	cmd.Stdout, cmd.Stderr = log, log
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{address: address(port), echo: strings.HasPrefix(s.name, "bare"), cmd: cmd}
	for time.Since(begin) < 60*time.Second && ctx.Err() == nil {
		if answers(p.address) == nil {
			p.ready = time.Since(begin)
			return p, nil
		}
		time.Sleep(200 * time.Microsecond)
	}
	p.stop()
	text, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("%s was not ready within a minute:\n%s", command[0], text)
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-done
	}
}

// kill ends the process without its knowing.
func (p *process) kill() {
	p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu is the time that the process and its children have spent, user and system.
func (p *process) cpu() time.Duration {
	var total time.Duration
	pids := []int{p.cmd.Process.Pid}
	for len(pids) > 0 {
		pid := pids[0]
		pids = pids[1:]
		total += processCPU(pid)
		children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, file := range children {
			text, _ := os.ReadFile(file)
			for _, child := range strings.Fields(string(text)) {
				if n, err := strconv.Atoi(child); err == nil {
					pids = append(pids, n)
				}
			}
		}
	}
	return total
}

// processCPU is utime + stime of /proc/PID/stat, which counts in hundredths of a second.
func processCPU(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// echo is the least an HTTP server in Go can do with a request: read its body and answer a few bytes.
func echo(address string) error {
	answer := []byte(`{"MD5OfMessageBody":"d41d8cd98f00b204e9800998ecf8427e","MessageId":"00000000-0000-4000-8000-000000000000"}`)
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/x-amz-json-1.0"}
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(answer))}
		w.Write(answer)
	}))
}

const elasticMQVersion = "1.7.1"

// elasticMQ is the peer: installed from Maven Central into a cache folder, run in memory, warmed up well.
func elasticMQ(ctx context.Context) (server, error) {
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return server{}, fmt.Errorf("%s is not installed", tool)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return server{}, err
	}
	dir := filepath.Join(cache, "obidos-bench", "elasticmq-"+elasticMQVersion)
	jars := filepath.Join(dir, "jars")
	if found, _ := filepath.Glob(filepath.Join(jars, "elasticmq-server*.jar")); len(found) == 0 {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return server{}, err
		}
		pom := `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>bench</groupId><artifactId>peer</artifactId><version>1</version>
<dependencies><dependency><groupId>org.elasticmq</groupId><artifactId>elasticmq-server_2.13</artifactId><version>` +
			elasticMQVersion + `</version></dependency></dependencies></project>`
		if err := os.WriteFile(filepath.Join(dir, "pom.xml"), []byte(pom), 0o644); err != nil {
			return server{}, err
		}
		cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", filepath.Join(dir, "pom.xml"), "dependency:copy-dependencies", "-DoutputDirectory="+jars)
		if out, err := cmd.CombinedOutput(); err != nil {
			return server{}, errors.New("mvn could not fetch it: " + strings.TrimSpace(string(out)))
		}
	}
	return server{
		name: "ElasticMQ " + elasticMQVersion,
		warm: 12,
		command: func(port int) []string {
			return []string{
				"java", "-Dnode-address.port=" + strconv.Itoa(port), "-Drest-sqs.bind-port=" + strconv.Itoa(port),
				"-Drest-sqs.bind-hostname=127.0.0.1", "-Drest-stats.enabled=false", "-cp", filepath.Join(jars, "*"), "org.elasticmq.server.Main",
			}
		},
	}, nil
}
