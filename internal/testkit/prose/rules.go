package prose

import "regexp"

// Rule is a phrase that this project's prose avoids.
type Rule struct {
	// Pattern matches the phrase in one line of prose, without regard to case.
	Pattern *regexp.Regexp
	// Instead is advice for the writer.
	Instead string
	// Bad is a line that the rule reports.
	Bad string
}

// Rules returns all rules. A phrase belongs here only if it is nearly always wrong: the
// linter has no way to allow a line, except to quote code in backticks.
func Rules() []Rule {
	var rules []Rule
	for _, r := range [][3]string{
		{`\bmend(s|ed|ing)?\b`, `write "fix" or "correct"`, "The next refresh mends the cache."},
		{`\banew\b`, `write "again", or "recreate" or "start over"`, "The replica is made anew."},
		{`\bshall\b`, `write "must", "can" or "may"`, "A request shall have a signature."},
		{`\bwhoever\b`, `name the person, the role or the program`, "Whoever deploys needs it."},
		{`\bsomebody\b`, `name the person, the role or the program`, "Somebody stopped the consumer."},
		{`\btold\b`, `write "reported", "configured" or "called with"`, "The user is told."},
		{`\bminds\b`, `name the effect`, "The insert minds conflicts."},
		{`\b(says?|said) (that|whether|what|which|why|how|so)\b`, `write "reports whether", "states" or "explains"`, "trust says whether it failed"},
		{`\btells? (that|whether|what|which|why|how)\b`, `write "reports" or "returns"`, "The mark tells which record is last."},
		{`\b(is|are|was|were|be) (what|who) [a-z]`, `name the thing`, "Request is what a stack needs."},
		{`(^|[.:] )What (is|are|was|were|has|can|could|would)\b[^?]*$`, `begin with the subject of the sentence`, "// What is missing is installed."},
		{`\ball that\b`, `write "everything that", or name the things`, "It deletes all that it made."},
		{`\bput(s|ting)?( \w+){0,2} back\b|\bput(s|ting)? right\b`, `write "restore" or "correct"`, "A deploy puts the limits back."},
		{`\b(go|goes|going|went|gone) on( (with|from|as|at|until|where|without)\b|[.,;:]|$)`, `write "continue" or "resume"`, "The archiver goes on with the next object."},
		{`\bat once\b`, `write "immediately" or "at the same time"`, "The command ends at once."},
		{`\bonce more([.,;:)]|$| (and|for|in|on|to|with)\b)`, `write "again"`, "The row is tried once more."},
		{`\bfor ever\b`, `write "forever"`, "Records are kept for ever."},
		{`\b(is|are|was|were|be|being) away\b`, `write "unavailable"`, "Redis is away."},
		{`\bstands? (here|there|beside|above|before)\b`, `write "is"`, "The default stands there."},
		{`\b(has|have)n't (a|an|any|the|them|it|one)\b`, `write "doesn't have" or "lacks"`, "Redis hasn't the minute."},
		{`\b(bytes|calls?|events?|lines?|records?|requests?|rows) a (second|minute|hour|day|line|call|event|shard)\b`, `write "per"`, "It takes 1,000 records a second."},
		{`\b(behaviour(s|al)?|colours|coloured|honour(s|ed)?|neighbours?)\b`, `use the American spelling, without the u`, "the behaviour of the stack"},
		{`\b(be|is|are|was|were|been|then|it|or|and|a|the|of) cancell(ed|ing|s)\b|\bcancelling\b`, `write "canceled", "canceling"`, "The update was cancelled."},
		{`\blicences?\b`, `write "license"`, "the licence of the module"},
		{`\b(catalogue|whilst|misspelt|learnt)s?\b`, `use the American spelling`, "a misspelt parameter"},
		{`\b(author|custom|initial|normal|optim|organ|recogn|serial|summar|synchron)is(e|es|ed|ing|ation)\b`, `write "-ize"`, "The folder is recognised."},
	} {
		rules = append(rules, Rule{Pattern: regexp.MustCompile("(?i)" + r[0]), Instead: r[1], Bad: r[2]})
	}
	return rules
}
