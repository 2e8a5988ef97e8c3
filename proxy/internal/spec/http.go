package spec

import "github.com/cloudstate-go/cloudstate/proxy/internal/httprule"

// bind gives every method its HTTP bindings (protocol section 8.4), of which no two may be
// for the same requests.
func bind(services []*Service) error {
	owners := make(map[string]*Method)
	for _, service := range services {
		for _, m := range service.Methods {
			bindings, err := httprule.Bindings(m.Descriptor)
			if err != nil {
				return invalid("%s", err)
			}
			for _, b := range bindings {
				if owner := owners[b.Pattern()]; owner != nil && owner != m {
					return invalid("HTTP API Config: [%s] calls both [%s] and [%s], want one method for each pattern; change the google.api.http rule of one of them",
						b.Pattern(), owner.Descriptor.FullName(), m.Descriptor.FullName())
				}
				owners[b.Pattern()] = m
			}
			m.Bindings = bindings
		}
	}
	return nil
}
