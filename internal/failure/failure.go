// Package failure sorts errors into classes by the action that a user can take, and so
// by exit code. A package declares the class of an error as a method of its type.
package failure

// Class is a kind of failure.
type Class int

// The classes. If an error has several, the one that is declared first decides.
const (
	// Other is every error without a class.
	Other Class = iota
	// Declined is an interrupt, a question that was answered with no, or a question
	// without a terminal.
	Declined
	// LeftBehind is a finished operation that left resources.
	LeftBehind
	// Usage is a wrong command line.
	Usage
	// Invalid is an invalid variables file or template.
	Invalid
	// Credentials are missing, expired or invalid credentials, credentials of another
	// account, or a missing permission.
	Credentials
	// Network is an endpoint that can't be reached.
	Network
	// Stack is a failed stack operation, or a stack status that does not allow the
	// operation.
	Stack
	// Busy is another operation that is running.
	Busy
)

// Classified is an error with a class.
type Classified interface {
	error
	Class() Class
}

// Of returns the class of an error: of all classes in its chain, the one that is
// declared first. The class of nil is Other. foreign returns the classes of errors of
// other modules, which have no Class method; it is called for each error of the chain.
func Of(err error, foreign ...func(error) Class) Class {
	best := Other
	found := func(c Class) {
		if best == Other || c != Other && c < best {
			best = c
		}
	}
	visit(err, func(err error) {
		if c, ok := err.(Classified); ok { //nolint:errorlint // each error of the chain separately
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
	switch wrapped := err.(type) { //nolint:errorlint // each error of the chain separately
	case interface{ Unwrap() error }:
		visit(wrapped.Unwrap(), each)
	case interface{ Unwrap() []error }:
		for _, e := range wrapped.Unwrap() {
			visit(e, each)
		}
	}
}
