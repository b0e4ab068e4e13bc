package local

// SystemError is an operating system on which the platform does not run.
type SystemError struct{ System string }

func (e *SystemError) Error() string {
	return "local does not run on " + e.System + ": its servers and files need a Unix system"
}

// Hint is the next step for a user.
func (*SystemError) Hint() string {
	return "run it on Linux or macOS, or in the Windows Subsystem for Linux; the other commands work here"
}

func checkSystem(system string) error {
	if system == "windows" {
		return &SystemError{System: "Windows"}
	}
	return nil
}
