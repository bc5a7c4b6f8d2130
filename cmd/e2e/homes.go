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
	"regexp"
	"runtime"
	"strings"
	"time"
)

// daemon is a Docker daemon for the homes: the machine's, or one of ours that lives as long as they need it.
type daemon struct {
	host string // DOCKER_HOST, empty where the machine's configuration says it
	stop func() error
}

// home is a place where people run obidos in a container. The scenario is played in each, against the image that is shipped.
type home struct {
	name string
	play func(ctx context.Context, s *site) error
}

var homes = []home{
	{"home-docker-run", dockerRun},
	{"home-compose-neighbour", composeNeighbour},
	{"home-github-service", githubService},
	{"home-pod", pod},
	{"home-localstack-compose", localstackCompose},
	{"home-localstack-volumes", localstackVolumes},
	{"home-compose-cluster", composeCluster},
	{"home-github-action", githubAction},
	{"home-testcontainers-python", testcontainersPython},
	{"home-testcontainers-java", testcontainersJava("localstack", "1.21.3")},
	{"home-testcontainers-java-2", testcontainersJava("testcontainers-localstack", "2.0.2")},
	{"home-contrib-go", contribGo},
	{"home-contrib-java", contribJava},
}

// installed sees that a program is there, from Debian's package if need be.
func installed(ctx context.Context, program, pkg string) error {
	if _, err := exec.LookPath(program); err == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		return errMissing{fmt.Sprintf("%s (apt-get install %s)", program, pkg)}
	}
	if err := tool(ctx, ".", "apt-get", "install", "-y", "-q", "--no-install-recommends", pkg); err == nil {
		return nil
	}
	if err := tool(ctx, ".", "apt-get", "update", "-q"); err != nil {
		return errMissing{fmt.Sprintf("%s, and its package cannot be had (%v)", program, err)}
	}
	return tool(ctx, ".", "apt-get", "install", "-y", "-q", "--no-install-recommends", pkg)
}

// site is what all homes stand on: a daemon with our image in it.
type site struct {
	daemon
	image    string
	scenario string // a static program that plays the scenario against AWS_ENDPOINT_URL
	sources  string // test/homes
	root     string // of the repository
	cache    string
	label    string // of all that is made, so that all is removed
}

// playHomes plays the scenario in each home whose name is wanted, and tells of each.
func playHomes(ctx context.Context, wanted *regexp.Regexp, tell func(name string, took time.Duration, err error)) error {
	var chosen []home
	for _, h := range homes {
		if wanted.MatchString(h.name) {
			chosen = append(chosen, h)
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	begin := time.Now()
	s, err := openSite(ctx)
	if err != nil {
		for _, h := range chosen {
			tell(h.name, 0, err)
		}
		return nil
	}
	fmt.Printf("%-28s built and loaded in %v\n", "image", time.Since(begin).Round(100*time.Millisecond))
	for _, h := range chosen {
		begin := time.Now()
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
			defer cancel()
			return h.play(ctx, s)
		}()
		tell(h.name, time.Since(begin), errors.Join(err, s.clear()))
	}
	return s.close()
}

// openSite finds a daemon, builds the image from these sources and loads it.
func openSite(ctx context.Context) (*site, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	s := &site{
		image: "obidos-e2e:latest", root: root, sources: filepath.Join(root, "test", "homes"),
		cache: filepath.Join(cache, "obidos-e2e", "homes"), label: fmt.Sprintf("obidos-e2e=%d", os.Getpid()),
	}
	s.scenario = filepath.Join(s.cache, "scenario")
	if err := os.MkdirAll(s.cache, 0o755); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, errMissing{"apt-get, which brings what is in the image beside obidos,"}
	}
	if s.daemon, err = findDaemon(ctx); err != nil {
		return nil, err
	}
	if err := s.load(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *site) load(ctx context.Context) error {
	out := filepath.Join(s.cache, "image")
	err := tool(ctx, s.root, "go", "run", "-C", "tools/image", ".", "-name", "obidos-e2e", "-platforms", "linux/"+runtime.GOARCH, "-out", out)
	if err != nil {
		return err
	}
	if _, err := s.docker(ctx, "load", "-i", filepath.Join(out, "obidos-e2e-latest-"+runtime.GOARCH+".tar")); err != nil {
		return err
	}
	return tool(ctx, filepath.Join(s.root, "test", "e2e", "gov2"), "env", "CGO_ENABLED=0", "go", "build", "-mod=mod", "-o", s.scenario, ".")
}

// clear removes what a home has made, also where it failed half way.
func (s *site) clear() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // also after an interrupt
	defer cancel()
	for _, what := range []struct {
		filter       string
		list, remove []string
	}{
		{"label=" + s.label, []string{"ps", "-aq"}, []string{"rm", "-f", "-v"}},
		{"ancestor=" + s.image, []string{"ps", "-aq"}, []string{"rm", "-f", "-v"}}, // Testcontainers' and the action's
		{"label=" + s.label, []string{"network", "ls", "-q"}, []string{"network", "rm"}},
		{"label=" + s.label, []string{"volume", "ls", "-q"}, []string{"volume", "rm", "-f"}},
	} {
		ids, err := s.docker(ctx, append(what.list, "--filter", what.filter)...)
		if err != nil {
			return err
		}
		if fields := strings.Fields(ids); len(fields) > 0 {
			if _, err := s.docker(ctx, append(what.remove, fields...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *site) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := s.docker(ctx, "rmi", "-f", s.image)
	return errors.Join(err, s.stop())
}

// env is the environment of what talks to the daemon.
func (s *site) env(more ...string) []string {
	env := append(os.Environ(), "OBIDOS_IMAGE="+s.image, "SCENARIO="+s.scenario)
	if s.host != "" {
		env = append(env, "DOCKER_HOST="+s.host)
	}
	return append(env, more...)
}

func (s *site) docker(ctx context.Context, args ...string) (string, error) {
	return s.output(ctx, s.root, nil, append([]string{"docker"}, args...)...)
}

// output runs a command that may talk to the daemon.
func (s *site) output(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, s.env(env...)
	inGroup(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// run starts a container of the image and returns its id.
func (s *site) run(ctx context.Context, args ...string) (string, error) {
	return s.docker(ctx, append([]string{"run", "-d", "--label", s.label}, args...)...)
}

// healthy waits for a container's health check to be good.
func (s *site) healthy(ctx context.Context, id string) error {
	for begin := time.Now(); ; {
		state, err := s.docker(ctx, "inspect", "-f", "{{.State.Status}} {{.State.Health.Status}}", id)
		if err != nil {
			return err
		}
		if state == "running healthy" {
			return nil
		}
		if !strings.HasPrefix(state, "running") || time.Since(begin) > time.Minute {
			log, _ := s.docker(ctx, "logs", id)
			return fmt.Errorf("the container is %s and not healthy:\n%s", state, log)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// published is where the host reaches a container's port 4566.
func (s *site) published(ctx context.Context, id string) (string, error) {
	address, err := s.docker(ctx, "port", id, "4566/tcp")
	address, _, _ = strings.Cut(address, "\n")
	return "http://" + strings.Replace(address, "0.0.0.0", "127.0.0.1", 1), err
}

// says sees that a container's log has these words in it.
func (s *site) says(ctx context.Context, id string, words ...string) error {
	log, err := s.docker(ctx, "logs", id)
	if err != nil {
		return err
	}
	for _, w := range words {
		if !strings.Contains(log, w) {
			return fmt.Errorf("its log does not say %q:\n%s", w, log)
		}
	}
	return nil
}

// clientEnv points an AWS client at a URL.
func clientEnv(url string) []string {
	return []string{"AWS_ENDPOINT_URL=" + url, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"}
}

// scenarioAt plays the scenario from the host.
func (s *site) scenarioAt(ctx context.Context, url, tag string) error {
	_, err := s.output(ctx, s.root, clientEnv(url), s.scenario, tag)
	return err
}

// ask makes a call of the query protocol, which takes no client.
func ask(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", url, resp.Status, text)
	}
	return err
}

// dockerRun is the ordinary start. What was answered is there when another container takes over the volume.
func dockerRun(ctx context.Context, s *site) error {
	volume, err := s.docker(ctx, "volume", "create", "--label", s.label)
	if err != nil {
		return err
	}
	begin := func() (id, url string, err error) {
		if id, err = s.run(ctx, "-p", "127.0.0.1::4566", "-v", volume+":/var/lib/obidos", s.image); err != nil {
			return "", "", err
		}
		if err = s.healthy(ctx, id); err != nil {
			return "", "", err
		}
		url, err = s.published(ctx, id)
		return id, url, err
	}
	id, url, err := begin()
	if err != nil {
		return err
	}
	if err := s.scenarioAt(ctx, url, "run"); err != nil {
		return err
	}
	if err := s.says(ctx, id, "Ready.", "whoever reaches the port"); err != nil {
		return err
	}
	for _, command := range [][]string{{"obidos", "clock", "advance", "1h"}, {"obidos", "status"}, {"bash", "-c", "id && ls -l /var/lib/obidos"}} {
		if _, err := s.docker(ctx, append([]string{"exec", id}, command...)...); err != nil {
			return err
		}
	}
	if err := ask(ctx, url+"/?Action=CreateQueue&QueueName=kept&Version=2012-11-05"); err != nil {
		return err
	}
	if _, err := s.docker(ctx, "stop", id); err != nil {
		return err
	}
	if exit, err := s.docker(ctx, "inspect", "-f", "{{.State.ExitCode}}", id); err != nil || exit != "0" {
		return errors.Join(err, fmt.Errorf("stopped with status %s", exit))
	}
	if _, err := s.docker(ctx, "rm", id); err != nil {
		return err
	}
	if _, url, err = begin(); err != nil {
		return err
	}
	return ask(ctx, url+"/?Action=GetQueueUrl&QueueName=kept&Version=2012-11-05")
}

// githubService is a service container as GitHub's runner starts it: created with the options of the workflow's file, in a network of
// the job's, polled until its health check is good; the job's steps run in a container of that network, or on the host.
func githubService(ctx context.Context, s *site) error {
	network, err := s.docker(ctx, "network", "create", "--label", s.label, fmt.Sprintf("github_network_%d", os.Getpid()))
	if err != nil {
		return err
	}
	id, err := s.docker(ctx, "create", "--label", s.label, "--network", network, "--network-alias", "obidos", "-p", "4566",
		"--health-cmd", "obidos health", "--health-interval", "1s", "--health-timeout", "5s", "--health-retries", "20",
		"-e", "GITHUB_ACTIONS=true", "-e", "CI=true", s.image)
	if err != nil {
		return err
	}
	if _, err := s.docker(ctx, "start", id); err != nil {
		return err
	}
	if err := s.healthy(ctx, id); err != nil {
		return err
	}
	job := []string{"run", "--rm", "--label", s.label, "--network", network, "-v", s.scenario + ":/scenario:ro", "--entrypoint", "/scenario"}
	for _, v := range clientEnv("http://obidos:4566") {
		job = append(job, "-e", v)
	}
	if _, err := s.docker(ctx, append(job, s.image, "job")...); err != nil {
		return err
	}
	url, err := s.published(ctx, id)
	if err != nil {
		return err
	}
	return s.scenarioAt(ctx, url, "host")
}

// pod is a container as a careful cluster runs it: any user, no rights, a root file system that cannot be written to, state and /tmp
// in volumes that belong to root.
func pod(ctx context.Context, s *site) error {
	id, err := s.run(ctx, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "1000730000:0",
		"--tmpfs", "/tmp:mode=1777", "--tmpfs", "/var/lib/obidos:mode=0777", "--memory", "256m", "--pids-limit", "100", "-p", "127.0.0.1::4566", s.image)
	if err != nil {
		return err
	}
	if err := s.healthy(ctx, id); err != nil {
		return err
	}
	url, err := s.published(ctx, id)
	if err != nil {
		return err
	}
	address, err := s.docker(ctx, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", id)
	if err != nil {
		return err
	}
	if err := ask(ctx, "http://"+net.JoinHostPort(address, "4566")+"/_obidos/health"); err != nil { // as kubelet's probes do
		return err
	}
	return s.scenarioAt(ctx, url, "pod")
}
