package fake

// Properties returns a resource's properties from the template with every
// intrinsic function evaluated; nil if the resource doesn't exist. The map
// belongs to the fake: copy it before changing it.
func (f Inventory) Properties(stackName, logicalID string) map[string]any {
	for _, p := range f.registry.list("") {
		if p.stackName == stackName && p.logicalID == logicalID {
			return p.props
		}
	}
	return nil
}
