// Package failure sorts errors into classes: what a user can do about them, and
// so the exit code. The packages whose errors have a class declare it on the
// error's type.
package failure

// Class is a kind of failure.
type Class int

// The classes, the one that decides first where an error has several.
const (
	// Other is every error without a class.
	Other Class = iota
	// Declined is an interrupt, a no, or nobody there to say yes.
	Declined
	// LeftBehind is an operation that ended, but something remains.
	LeftBehind
	// Usage is a wrong command line.
	Usage
	// Invalid is an invalid variables file or template.
	Invalid
	// Credentials are missing, expired or wrong credentials, another account, or
	// a permission that is missing.
	Credentials
	// Network is an endpoint that can't be reached.
	Network
	// Stack is an operation of the stack that failed, or a stack in a state that
	// allows none.
	Stack
	// Busy is another operation that is running.
	Busy
)

// Classified is an error with a class.
type Classified interface {
	error
	Class() Class
}

// Of returns the class of an error: among those of its whole chain, the one that
// is declared first. Other is for nil too. foreign gives the classes of errors of
// other modules, which have no Class method; it gets each error of the chain by
// itself.
func Of(err error, foreign ...func(error) Class) Class {
	best := Other
	found := func(c Class) {
		if best == Other || c != Other && c < best {
			best = c
		}
	}
	visit(err, func(err error) {
		if c, ok := err.(Classified); ok { //nolint:errorlint // each error of the chain by itself
			found(c.Class())
		}
		for _, of := range foreign {
			found(of(err))
		}
	})
	return best
}

// visit calls each for an error and every error that it wraps.
func visit(err error, each func(error)) {
	if err == nil {
		return
	}
	each(err)
	switch wrapped := err.(type) { //nolint:errorlint // each error of the chain by itself
	case interface{ Unwrap() error }:
		visit(wrapped.Unwrap(), each)
	case interface{ Unwrap() []error }:
		for _, e := range wrapped.Unwrap() {
			visit(e, each)
		}
	}
}
