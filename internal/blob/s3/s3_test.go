package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/blob/blobtest"
	"github.com/obidos-cloud/obidos/internal/blob/s3"
	"github.com/obidos-cloud/obidos/internal/blob/s3/s3test"
)

func open(t testing.TB, server *s3test.Server, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), server.URL(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// partSize makes a blob of 3 MiB one of several parts; a real service takes none below 5 MiB.
func partSize() int {
	if os.Getenv("OBIDOS_S3") != "" {
		return 5 << 20
	}
	return 1 << 20
}

func TestContract(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) (blob.Store, func() blob.Store) {
		server, o := s3test.Start(t), s3.Options{PartSize: partSize()}
		return open(t, server, o), func() blob.Store { return open(t, server, o) }
	})
}

// The contract holds while the service is overloaded and connections break, at any moment.
func TestContractOverABadLine(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64() >> 12
	if n, err := strconv.ParseUint(os.Getenv("OBIDOS_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("replay with OBIDOS_SEED=%d", seed)
	blobtest.Run(t, func(t *testing.T) (blob.Store, func() blob.Store) {
		server, o := s3test.Start(t), s3.Options{PartSize: partSize()}
		var asked atomic.Uint64
		server.Set(func(*http.Request) s3test.Fault {
			switch n := rand.New(rand.NewPCG(seed, asked.Add(1))).IntN(100); {
			case n < 5:
				return s3test.SlowDown
			case n < 8:
				return s3test.Cut
			case n < 11:
				return s3test.CutAnswer
			case n < 14:
				return s3test.CutMidway
			case n < 17:
				return s3test.Late
			}
			return s3test.None
		})
		return open(t, server, o), func() blob.Store { return open(t, server, o) }
	})
}

func TestLayoutIsThatOfAFolder(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := open(t, server, s3.Options{})
	kept, pending := blobtest.Write(t, s, []byte("kept")), blobtest.Write(t, s, nil)
	if err := s.Keep(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	want := []string{kept.String()[:2] + "/" + kept.String(), pending.String()[:2] + "/" + pending.String(), "new/" + pending.String()}
	slices.Sort(want)
	if got, uploads := server.Names(t); !slices.Equal(got, want) || len(uploads) > 0 {
		t.Errorf("the bucket holds %q and uploads %q, want %q", got, uploads, want)
	}
}

// A blob of several parts comes back whole, with a last part of any size; and what is given up half way leaves no upload.
func TestPartsComeBackWhole(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := open(t, server, s3.Options{PartSize: partSize()})
	for _, size := range []int{partSize(), partSize() + 1, 2 * partSize(), 2*partSize() + 17} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i>>16) ^ byte(i)
		}
		if got := blobtest.Read(t, s, blobtest.Write(t, s, content)); !bytes.Equal(got, content) {
			t.Errorf("%d bytes come back as %d others", size, len(got))
		}
	}
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 2*partSize()+1)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if _, uploads := server.Names(t); len(uploads) > 0 {
		t.Errorf("uploads were left: %q", uploads)
	}
}

// crashPart is small, because many processes die.
const crashPart = 64 << 10

// process is what a process does with blobs, until it crashes.
type process struct {
	finished map[blob.ID][]byte
	freeing  map[blob.ID]bool
	freed    map[blob.ID]bool
	keeping  map[blob.ID]bool
}

func (p *process) run(ctx context.Context, s *s3.Store) error {
	const part = crashPart
	write := func(size int) (blob.ID, error) {
		w, err := s.Create(ctx)
		if err != nil {
			return blob.ID{}, err
		}
		content := bytes.Repeat([]byte{byte(size), 1, 2}, size/3+1)[:size]
		if _, err = w.Write(content); err == nil {
			err = w.Finish()
		}
		if err == nil {
			p.finished[w.ID()] = content
		}
		return w.ID(), err
	}
	keep := func(id blob.ID) error {
		p.keeping[id] = true
		return s.Keep(ctx, id)
	}
	free := func(id blob.ID) error {
		p.freeing[id] = true
		err := s.Free(ctx, id)
		p.freed[id] = err == nil
		return err
	}
	small, err := write(100)
	if err == nil {
		err = keep(small)
	}
	var large, pending, read blob.ID
	if err == nil {
		large, err = write(2*part + 7)
	}
	if err == nil {
		err = keep(large)
	}
	if err == nil {
		pending, err = write(part + 1)
	}
	if err == nil {
		err = free(pending)
	}
	if err == nil {
		err = free(large)
	}
	if err == nil {
		read, err = write(10)
	}
	var r blob.Reader
	if err == nil {
		r, err = s.Open(ctx, read)
	}
	if err == nil {
		err = errors.Join(keep(read), free(read), r.Close())
	}
	if err == nil {
		_, err = write(part) // never kept
	}
	if err != nil {
		return err
	}
	w, err := s.Create(ctx) // never finished
	if err == nil {
		_, err = w.Write(make([]byte, 2*part+1))
	}
	return err
}

// Wherever a process dies, with its last request done or not, what was finished is whole, what was freed is gone, and nothing is
// there that nobody knows of.
func TestCrashLeavesNothingThatCounts(t *testing.T) {
	t.Parallel()
	if os.Getenv("OBIDOS_S3") != "" {
		t.Skip("uploads of all names are not listed by every service")
	}
	requests := -1
	for cut := 0; requests < 0 || cut < 2*requests; cut++ {
		done, last := cut/2, s3test.Cut // so many requests are done, and then one more or none
		if cut%2 == 1 {
			last = s3test.CutAnswer
		}
		server := s3test.Start(t)
		s := open(t, server, s3.Options{PartSize: crashPart})
		ctx, crash := context.WithCancel(context.WithoutCancel(t.Context()))
		var asked atomic.Int64
		var dead atomic.Bool
		server.Set(func(*http.Request) s3test.Fault {
			switch n := asked.Add(1); {
			case dead.Load() || n > int64(done)+1:
				return s3test.Cut
			case n == int64(done)+1:
				dead.Store(true)
				crash() // ends the tries
				return last
			}
			return s3test.None
		})
		p := &process{map[blob.ID][]byte{}, map[blob.ID]bool{}, map[blob.ID]bool{}, map[blob.ID]bool{}}
		err := p.run(ctx, s)
		crash()
		if err == nil && !dead.Load() {
			requests = done // all were done
		}
		server.Settle()
		server.Set(nil)
		p.check(t, server)
		if t.Failed() {
			t.Fatalf("cut %d, after %d requests: %v", cut, done, err)
		}
	}
	t.Logf("died at each of %d requests", requests)
}

func (p *process) check(t *testing.T, server *s3test.Server) {
	t.Helper()
	ctx := t.Context()
	s := open(t, server, s3.Options{PartSize: crashPart})
	pending, err := s.Pending(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	for id, content := range p.finished {
		switch {
		case p.freed[id] && slices.Contains(pending, id): // it was open; its mark tells of it
		case p.freed[id]:
			if _, err := s.Open(ctx, id); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%s was freed: %v", id, err)
			}
		case p.freeing[id]:
		case !bytes.Equal(blobtest.Read(t, s, id), content):
			t.Errorf("%s was finished, and is torn", id)
		}
	}
	if err := s.Free(ctx, pending...); err != nil {
		t.Fatal(err)
	}
	objects, uploads := server.Names(t)
	for _, name := range objects {
		id, err := blob.ParseID(name[strings.LastIndexByte(name, '/')+1:])
		if err != nil || !p.keeping[id] && !p.freeing[id] || strings.HasPrefix(name, "new/") {
			t.Errorf("%s was left, and nobody knows of it", name)
		}
	}
	if len(uploads) > 0 {
		t.Errorf("uploads were left: %q", uploads)
	}
}

func TestDamageIsRefused(t *testing.T) {
	t.Parallel()
	sizes := []int{1000}
	if os.Getenv("OBIDOS_S3") != "" { // the one in memory looks at no sums of parts
		sizes = append(sizes, partSize()+1)
	}
	for _, size := range sizes {
		server := s3test.Start(t)
		s := open(t, server, s3.Options{PartSize: partSize()})
		server.Set(func(r *http.Request) s3test.Fault {
			if r.Method == http.MethodPut && r.ContentLength > 0 {
				return s3test.Damage
			}
			return s3test.None
		})
		w, err := s.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(make([]byte, size))
		if err == nil {
			err = w.Finish()
		}
		if err == nil {
			t.Errorf("%d bytes were damaged on their way, and taken", size)
		}
		w.Abort()
		if _, err := s.Open(t.Context(), w.ID()); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%d bytes were damaged on their way, and opened: %v", size, err)
		}
	}
}

// A writer that fails leaves a mark, because what it asked for may still come to be, and the mark is found when it is old.
func TestFailedWriterIsPending(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := open(t, server, s3.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	server.Set(func(r *http.Request) s3test.Fault {
		if r.ContentLength > 0 {
			cancel()
			return s3test.CutAnswer // it is there, and nobody was told
		}
		return s3test.None
	})
	w, err := s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); !errors.Is(err, context.Canceled) {
		t.Errorf("finished: %v", err)
	}
	w.Abort()
	server.Settle()
	server.Set(nil)
	pending, err := s.Pending(t.Context(), 0)
	if err != nil || !slices.Equal(pending, []blob.ID{w.ID()}) {
		t.Fatalf("pending are %v, %v", pending, err)
	}
	if err := s.Free(t.Context(), pending...); err != nil {
		t.Fatal(err)
	}
	if objects, _ := server.Names(t); len(objects) > 0 {
		t.Errorf("left: %q", objects)
	}
}

func TestSilenceIsGivenUp(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := open(t, server, s3.Options{Stall: 300 * time.Millisecond})
	var asked atomic.Int64
	server.Set(func(*http.Request) s3test.Fault {
		if asked.Add(1)%2 == 1 {
			return s3test.Hang
		}
		return s3test.None
	})
	began := time.Now()
	if got := blobtest.Read(t, s, blobtest.Write(t, s, []byte("content"))); string(got) != "content" {
		t.Errorf("read %q", got)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Who reads in order asks for much at once, who does not for what is read.
func TestReadsAskForWhatTheyNeed(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := open(t, server, s3.Options{})
	content := make([]byte, 10<<20)
	for i := range content {
		content[i] = byte(i >> 8)
	}
	id := blobtest.Write(t, s, content)
	var asked atomic.Int64
	server.Set(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodGet {
			asked.Add(1)
		}
		return s3test.None
	})
	r, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := io.CopyBuffer(&got, struct{ io.Reader }{io.NewSectionReader(r, 0, r.Size())}, make([]byte, 4<<10)); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("read %d bytes, %v", got.Len(), err)
	}
	if n := asked.Load(); n > 2 {
		t.Errorf("%d requests for 10 MiB in order", n)
	}
	part := make([]byte, 100)
	for _, at := range []int64{9 << 20, 5, 1 << 20} {
		if _, err := r.ReadAt(part, at); err != nil || !bytes.Equal(part, content[at:at+100]) {
			t.Errorf("read at %d: %v", at, err)
		}
	}
}

func TestWhatIsWrongIsToldWithWhatToDo(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	key, secret := server.Credentials()
	inAnotherRegion := answering(t, http.StatusBadRequest, `<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>`)
	forbidding := answering(t, http.StatusForbidden, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
	plain := strings.Replace(forbidding, "http%3A", "https%3A", 1)
	for name, c := range map[string]struct{ url, want string }{
		"bucket":    {server.With(key, secret, "another"), "create it"},
		"key":       {server.With("unknown", secret, server.Bucket()), "AWS_ACCESS_KEY_ID"},
		"secret":    {server.With(key, "wrong", server.Bucket()), "AWS_SECRET_ACCESS_KEY"},
		"region":    {inAnotherRegion, "region=eu-west-1"},
		"forbidden": {forbidding, "s3:PutObject"},
		"plain":     {plain, "endpoint=http://"},
		"nobody":    {"s3://k:s@bucket?region=r&endpoint=http://127.0.0.1:1", "127.0.0.1:1 does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			_, err := s3.Open(ctx, c.url, s3.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it says %v, not %q", err, c.want)
			} else if strings.Contains(err.Error(), secret) {
				t.Errorf("the secret is told: %v", err)
			}
		})
	}
}

// answering is the URL of a service that answers everything so.
func answering(t *testing.T, code int, body string) string {
	server := s3test.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}))
	return server.URL()
}
