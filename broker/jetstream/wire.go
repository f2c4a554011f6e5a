package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/nats-io/nats.go"
)

// wire is a connection for publishing alone. It never reconnects, and after a write
// that failed it writes nothing more. So the server gets what was sent on a wire
// up to some message, and nothing behind that: no message overtakes one that was
// lost. A connection that reconnects by itself cannot promise that, because nobody
// can ask it whether it is the one of the message before and send in one step.
type wire struct {
	nc     *nats.Conn
	closed chan struct{} // closed with the connection, when all that it received is in the lanes

	mu   sync.Mutex
	idle []*lane
}

// dialing is a wire on its way.
type dialing struct {
	done chan struct{} // closed when the rest is there
	wire *wire
	err  error
}

// connected returns the wire. It makes one if there is none, or if it broke.
func (b *Broker) connected(ctx context.Context) (*wire, error) {
	if b.nc.IsClosed() {
		return nil, nats.ErrConnectionClosed
	}
	b.mu.Lock()
	if b.wire != nil && b.wire.nc.IsClosed() {
		b.breaks.Add(1)
		b.wire = nil
	}
	w, d := b.wire, b.dialing
	if w == nil && d == nil {
		d = &dialing{done: make(chan struct{})}
		b.dialing = d
		go b.dial(d)
	}
	b.mu.Unlock()
	if w != nil {
		return w, nil
	}
	select {
	case <-d.done:
		return d.wire, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *Broker) dial(d *dialing) {
	d.wire, d.err = b.newWire()
	b.mu.Lock()
	b.wire, b.dialing = d.wire, nil
	b.mu.Unlock()
	close(d.done)
}

// newWire connects as the caller has connected, to the same server if it can. The
// wire is closed with the caller's connection.
func (b *Broker) newWire() (*wire, error) {
	url := b.nc.ConnectedUrl()
	if url == "" {
		return nil, nats.ErrDisconnected
	}
	w := &wire{closed: make(chan struct{})}
	ended := b.nc.StatusChanged(nats.CLOSED)
	o := b.options
	o.Url = url
	o.AllowReconnect, o.RetryOnFailedConnect = false, false
	o.SkipSubjectValidation = true // they are made of checked names
	o.NoCallbacksAfterClientClose = false
	o.ConnectedCB, o.ReconnectedCB, o.DisconnectedCB, o.DisconnectedErrCB = nil, nil, nil, nil
	o.DiscoveredServersCB, o.ReconnectErrCB, o.LameDuckModeHandler = nil, nil, nil
	o.ClosedCB = func(nc *nats.Conn) {
		b.broke(nc)
		b.nc.RemoveStatusListener(ended)
		close(w.closed)
	}
	if tell := o.AsyncErrorCB; tell != nil {
		o.AsyncErrorCB = func(nc *nats.Conn, sub *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) { // a lost connection is an error of Publish
				tell(nc, sub, err)
			}
		}
	}
	o.CustomDialer = brittleDialer{b.options}
	if o.InProcessServer != nil {
		o.InProcessServer = brittleServer{o.InProcessServer}
	}
	var err error
	if w.nc, err = o.Connect(); err != nil {
		b.nc.RemoveStatusListener(ended)
		return nil, fmt.Errorf("connect for publishing: %w", err)
	}
	go func() {
		<-ended
		w.nc.Close()
	}()
	if b.nc.IsClosed() { // perhaps before anybody listened
		w.nc.Close()
	}
	return w, nil
}

// broke notes that the wire on nc is gone.
func (b *Broker) broke(nc *nats.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wire != nil && b.wire.nc == nc {
		b.breaks.Add(1)
		b.wire = nil
	}
}

// brittle is closed by the first write that fails, so that no later one succeeds.
type brittle struct{ net.Conn }

func (c brittle) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		c.Conn.Close()
	}
	return n, err
}

// brittleDialer makes brittle connections in the way that the options say.
type brittleDialer struct{ options nats.Options }

func (d brittleDialer) Dial(network, address string) (net.Conn, error) {
	dialer := d.options.CustomDialer
	if dialer == nil {
		own := net.Dialer{Timeout: d.options.Timeout}
		if d.options.Dialer != nil {
			own = *d.options.Dialer
		}
		if d.options.AllowMultipathTCP != nil {
			own.SetMultipathTCP(*d.options.AllowMultipathTCP)
		}
		dialer = &own
	}
	conn, err := dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return brittle{conn}, nil
}

// SkipTLSHandshake is what the client asks a dialer for.
func (d brittleDialer) SkipTLSHandshake() bool {
	s, ok := d.options.CustomDialer.(interface{ SkipTLSHandshake() bool })
	return ok && s.SkipTLSHandshake()
}

// brittleServer makes brittle connections to a server within the process.
type brittleServer struct{ nats.InProcessConnProvider }

func (s brittleServer) InProcessConn() (net.Conn, error) {
	conn, err := s.InProcessConnProvider.InProcessConn()
	if err != nil {
		return nil, err
	}
	return brittle{conn}, nil
}
