package fake

// Properties are a resource's properties as the template gave them, with every
// intrinsic evaluated; nil where there is no such resource. They are the
// fake's own: a test that changes them copies them first.
func (f Inventory) Properties(stackName, logicalID string) map[string]any {
	for _, p := range f.registry.list("") {
		if p.stackName == stackName && p.logicalID == logicalID {
			return p.props
		}
	}
	return nil
}
