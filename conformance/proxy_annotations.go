package conformance

import (
	"strings"

	httprules "google.golang.org/genproto/googleapis/api/annotations"

	"github.com/cloudstate-go/cloudstate/protocol/annotations"
)

// proxyAnnotationChecks are those of what a proxy finds wrong with the options of methods.
var proxyAnnotationChecks = checks[*rig]{
	"P-185": {
		"another selector": refusesRule(&httprules.HttpRule{Selector: "another", Pattern: get("/x")}, "Rule selector [another] must be empty or ["+declaredName+".M]"),
		"no pattern":       refusesRule(&httprules.HttpRule{Body: "*"}, "Pattern missing for rule ["),
		"a pattern of another kind": refusesRule(&httprules.HttpRule{Pattern: &httprules.HttpRule_Custom{
			Custom: &httprules.CustomHttpPattern{Kind: "HEAD", Path: "/x"},
		}}, "Only Custom patterns with [*] kind supported but [HEAD] found!"),
		"a variable that is no field":  refusesRule(&httprules.HttpRule{Pattern: get("/x/{none}")}, "Unknown field name [none] in type [declared.Keyed] reference in path template for method ["+declaredName+".M]"),
		"a variable that is repeated":  refusesRule(&httprules.HttpRule{Pattern: get("/x/{list}")}, "Repeated parameters [list] are not allowed as path variables"),
		"a variable that is a map":     refusesRule(&httprules.HttpRule{Pattern: get("/x/{map}")}, "Map parameters [map] are not allowed as path variables"),
		"a variable in a message":      refusesRule(&httprules.HttpRule{Pattern: get("/x/{inner.text}")}, "Multiple fields in field path not yet implemented: inner.text"),
		"a variable that is an enum":   refusesRule(&httprules.HttpRule{Pattern: get("/x/{choice}")}, "Enum path parameters not supported!"),
		"a variable that is a message": refusesRule(&httprules.HttpRule{Pattern: get("/x/{inner}")}, "Message path parameters not supported!"),
		"a body that is no field":      refusesRule(&httprules.HttpRule{Pattern: get("/x"), Body: "none"}, "Body configured to [none] but that field does not exist on input type."),
		"a body that is repeated":      refusesRule(&httprules.HttpRule{Pattern: get("/x"), Body: "list"}, "Body configured to [list] but that field is a repeated field."),
		"a response that is no field":  refusesRule(&httprules.HttpRule{Pattern: get("/x"), ResponseBody: "none"}, "Response body field [none] does not exist on type [declared.Keyless]"),
		"more than one level": refusesRule(&httprules.HttpRule{Pattern: get("/x"), AdditionalBindings: []*httprules.HttpRule{
			{Pattern: get("/y"), AdditionalBindings: []*httprules.HttpRule{{Pattern: get("/z")}}},
		}}, "Only one level of additionalBindings supported, but ["),
		"a path without a slash":   refusesRule(&httprules.HttpRule{Pattern: get("x")}, "Template must start with a slash at character 1 of 'x'"),
		"a variable twice":         refusesRule(&httprules.HttpRule{Pattern: get("/x/{id}/{id}")}, "Duplicate path in template at character "),
		"an additional path wrong": refusesRule(&httprules.HttpRule{Pattern: get("/x"), AdditionalBindings: []*httprules.HttpRule{{Pattern: get("/x/{none}")}}}, "Unknown field name [none] in type [declared.Keyed]"),
	},
	"P-206": {
		"from a topic to the same": withTopics(refusesEventing("Endpoint ["+declaredName+".M] has the same input topic as output topic [t], this is not allowed.",
			&annotations.Eventing{In: fromTopic(""), Out: toTopic("t")})),
		"two methods for the same events": withTopics(refusesEventing("Endpoints ["+declaredName+".M] and ["+declaredName+".N] both subscribe to the same event source with the same input type. "+
			"If you wish to define two independent consumers of the same event source, use the consumer_group annotation on the source to identify them.",
			&annotations.Eventing{In: fromTopic("group")}, &annotations.Eventing{In: fromTopic("group")})),
		"out without a topic": withTopics(refusesEventing("Service call ["+declaredName+".M] has declared an event out with no topic.",
			&annotations.Eventing{Out: &annotations.EventDestination{}})),
		"in without a source": withEventLogs(refusesEventing("Eventing consumer [declared.Keyed] has declared an input with no source.",
			&annotations.Eventing{In: &annotations.EventSource{ConsumerGroup: "group"}})),
		"two methods with groups of their own": withTopics(acceptsSpec(declaring(actionType,
			withOption("M", annotations.E_Eventing, &annotations.Eventing{In: fromTopic("one")}),
			withOption("N", annotations.E_Eventing, &annotations.Eventing{In: fromTopic("two")})))),
		"out without in": withTopics(acceptsSpec(declaring(actionType, withOption("M", annotations.E_Eventing, &annotations.Eventing{Out: toTopic("t")})))),
	},
}

func get(path string) *httprules.HttpRule_Get { return &httprules.HttpRule_Get{Get: path} }

func fromTopic(group string) *annotations.EventSource {
	return &annotations.EventSource{ConsumerGroup: group, Source: &annotations.EventSource_Topic{Topic: "t"}}
}

func toTopic(topic string) *annotations.EventDestination {
	return &annotations.EventDestination{Destination: &annotations.EventDestination_Topic{Topic: topic}}
}

// refusesRule returns a check that a proxy with HTTP refuses a method with this rule.
func refusesRule(rule *httprules.HttpRule, report string) func(*trial, *rig) {
	text := "HTTP API Config: " + report
	return overHTTP(refusesWith(declaring(actionType, method{name: "Good"}, withOption("M", httprules.E_Http, rule)), text, func(got string) bool {
		return strings.HasPrefix(got, text)
	}))
}

// refusesEventing returns a check that a proxy refuses methods M and N with these options.
func refusesEventing(report string, options ...*annotations.Eventing) func(*trial, *rig) {
	methods := make([]method, 1, 1+len(options))
	methods[0] = method{name: "Good"}
	for i, o := range options {
		methods = append(methods, withOption([]string{"M", "N"}[i], annotations.E_Eventing, o))
	}
	return refusesSpec(declaring(actionType, methods...), report)
}
