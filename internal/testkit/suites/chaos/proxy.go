package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// Proxy is a proxy between a function and PostgreSQL. It can react to the
// function's messages, for example to lose a commit or its response.
type Proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	rule  *Rule
	conns map[net.Conn]bool
	ended bool
}

// Rule is applied once, to the first message that contains Match.
type Rule struct {
	Match []byte
	// Hook is called before the message is forwarded; it may be nil.
	Hook func()
	// CutBefore loses the message, CutAfter its response.
	CutBefore, CutAfter bool
}

// commitMessage is the driver's COMMIT message.
var commitMessage = []byte("Q\x00\x00\x00\x0bcommit\x00")

// NewProxy returns a proxy to an address.
func NewProxy(ctx context.Context, target string) (*Proxy, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	p := &Proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	go p.serve(context.WithoutCancel(ctx))
	return p, nil
}

// Port returns the proxy's port.
func (p *Proxy) Port() string { return strconv.Itoa(p.listener.Addr().(*net.TCPAddr).Port) }

// Arm sets the rule; nil removes it.
func (p *Proxy) Arm(r *Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = r
}

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	errs := []error{p.listener.Close()}
	for c := range p.conns {
		errs = append(errs, ignoreClosed(c.Close()))
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (p *Proxy) serve(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.connect(ctx, client)
	}
}

func (p *Proxy) connect(ctx context.Context, client net.Conn) {
	var d net.Dialer
	server, err := d.DialContext(ctx, "tcp", p.target)
	if err != nil {
		p.drop(client)
		return
	}
	if !p.keep(client, server) {
		p.drop(client, server)
		return
	}
	deaf := &flag{}
	go p.pass(server, client, func(message []byte) bool { return !deaf.get() })
	p.pass(client, server, func(message []byte) bool {
		rule := p.take(message)
		switch {
		case rule == nil:
			return true
		case rule.CutAfter:
			deaf.set()
		}
		if rule.Hook != nil {
			rule.Hook()
		}
		return !rule.CutBefore
	})
}

// pass forwards bytes until either side ends or allow returns false.
func (p *Proxy) pass(from, to net.Conn, allow func(message []byte) bool) {
	defer p.drop(from, to)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !allow(buffer[:n]) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// take returns the rule if the message matches it.
func (p *Proxy) take(message []byte) *Rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rule == nil || !bytes.Contains(message, p.rule.Match) {
		return nil
	}
	rule := p.rule
	p.rule = nil
	return rule
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	return !p.ended
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // abort the connection
		delete(p.conns, c)
	}
}

// flag is a boolean that is set once.
type flag struct {
	mu sync.Mutex
	on bool
}

func (f *flag) set() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = true
}

func (f *flag) get() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.on
}
