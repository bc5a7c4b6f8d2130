package logs

// unpacking is chunks that are unpacked side by side, ahead of who reads them one after the other. Close waits for what is still
// at it.
type unpacking struct {
	packer *packer
	queue  []*unpacked
	shown  *unpacked // what next gave last
}

type unpacked struct {
	chunkOf
	room *[]byte
	body []byte
	err  error
	done chan struct{} // closed once body or err is set
}

// add has a chunk be unpacked.
func (u *unpacking) add(c chunkOf) {
	n := &unpacked{chunkOf: c, room: u.packer.buffers.Get().(*[]byte), done: make(chan struct{})}
	u.queue = append(u.queue, n)
	go func() {
		defer close(n.done)
		n.body, n.err = u.packer.unpack(&n.record, n.room)
	}()
}

// len is how many chunks were added that next has not given yet.
func (u *unpacking) len() int { return len(u.queue) }

// next is the chunk that was added first, and its body, which is valid until next or close is called again.
func (u *unpacking) next() (*chunkOf, []byte, error) {
	u.release()
	n := u.queue[0]
	u.queue = u.queue[1:]
	<-n.done
	u.shown = n
	return &n.chunkOf, n.body, n.err
}

func (u *unpacking) release() {
	if u.shown != nil {
		u.packer.buffers.Put(u.shown.room)
		u.shown = nil
	}
}

func (u *unpacking) close() {
	u.release()
	for _, n := range u.queue {
		<-n.done
		u.packer.buffers.Put(n.room)
	}
	u.queue = nil
}
