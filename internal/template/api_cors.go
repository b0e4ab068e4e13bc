package template

// addCORS lets pages of the allowed origins call the API: the function of each route
// responds to preflight requests.
func (t *Template) addCORS(origins []string) {
	if len(origins) == 0 {
		return
	}
	for _, r := range routes() {
		preflight := t.method(r.resource, "OPTIONS", r.function)
		preflight.AuthorizationType = new("NONE") // a browser can't sign a preflight
		t.add(r.preflight, preflight)
	}
}

// corsOrigin is the header's value in the gateway's own responses.
func corsOrigin(origins []string) string {
	if len(origins) == 1 {
		return quoted(origins[0])
	}
	return "method.request.header.Origin"
}

func quoted(value string) string { return "'" + value + "'" }
