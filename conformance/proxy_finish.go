package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cloudstate-go/cloudstate/conformance/internal/monitor"
)

// finish stops what the bench has started, looks at everything that the main proxy has said,
// and adds what it finds to the report. It returns what has failed.
func (b *bench) finish(report *Report) []string {
	var failed []string
	add := func(id, scenario string, problems []string) {
		if _, skipped := b.target.Skip[id]; skipped {
			return
		}
		c := Check{Scenario: scenario, Detail: strings.Join(problems, "\n")}
		if len(problems) > 0 {
			c.Outcome = Failed
			failed = append(failed, fmt.Sprintf("%s: %s\n%s", id, scenario, c.Detail))
		}
		for i := range report.Assertions {
			if report.Assertions[i].ID == id {
				report.Assertions[i].Checks = append(report.Assertions[i].Checks, c)
			}
		}
	}
	var stopping []string
	if err := b.main.stop(); err != nil {
		stopping = append(stopping, err.Error())
	}
	if err := b.stopModels(); err != nil {
		failed = append(failed, fmt.Sprintf("stop the models: %v", err))
	}
	broken := map[string][]string{}
	for _, v := range b.main.monitor.Violations() {
		broken[v.Assertion] = append(broken[v.Assertion], v.Text+"\n"+v.Stream.String())
	}
	for _, id := range slices.Sorted(maps.Keys(monitor.Rules)) {
		add(id, "in every stream, "+monitor.Rules[id], broken[id])
	}
	add("P-024", "there are no streams that no call has asked for", b.main.unexpected())
	add("P-130", "the proxy stops without an error", stopping)
	reports := b.main.UnreadReports()
	for i, text := range reports {
		reports[i] = fmt.Sprintf("the proxy has reported %q, although no check has given it a reason", text)
	}
	add("P-166", "the proxy reports nothing without a reason", reports)
	return failed
}

// unexpected describes the streams that no check has expected.
func (r *rig) unexpected() []string {
	var streams []string
	for _, s := range r.Unaccepted() {
		streams = append(streams, s.String())
	}
	if n := r.Silent(); n > 0 {
		streams = append(streams, fmt.Sprintf("%d streams on which the proxy has said nothing", n))
	}
	return streams
}
