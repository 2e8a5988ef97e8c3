package testkit

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cloudstate-go/cloudstate"
)

// updateFlag has a name of its own, because many tests have a flag -update.
const updateFlag = "testkit.update"

var update = flag.Bool(updateFlag, false, "record golden files of journals and states, and update the replies in those that there are")

// updating reports whether files are to be written: because of our flag, or of an -update
// that the test itself has.
func updating() bool {
	theirs := flag.Lookup("update")
	return *update || theirs != nil && theirs.Value.String() == "true"
}

// Golden fails the test unless the components read what earlier versions of them have stored,
// as golden files have it:
//
//	func TestCart_ReadsWhatItHasEverStored(t *testing.T) {
//		testkit.Golden(t, "testdata/*.json", shop, cart.Entity)
//	}
//
//	func shop(t *testing.T, kit *testkit.Kit) {
//		carts := pb.NewShoppingCartClient(kit)
//		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 2})
//		require.NoError(t, err)
//		_, err = carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
//		require.NoError(t, err)
//	}
//
// The script uses the entities such that they store everything they can, and ends with
// commands that show the result without changing it. With the flag -testkit.update, what it
// stores becomes a file, which takes the place of the asterisk in the pattern with the next
// number: testdata/1.json. If a later version stores something else, the test fails until that
// is recorded, too, in another file. Files of earlier versions stay: what they have stored is
// never changed. Only the replies in them are, with the flag, so look at what it has changed.
//
// What each file has is put in place, as [Kit.Given] does it, once with all events and once
// with the snapshot instead; then the commands that show it must reply what they did. An
// entity that cannot read it any more needs entity.Alias, for what was renamed, or
// entity.Upcast, for what has another shape.
//
// The script runs in a bubble of testing/synctest. Events that differ each time, as they have
// random numbers, are compared by their types.
func Golden(t *testing.T, pattern string, script func(t *testing.T, kit *Kit), components ...cloudstate.Component) {
	t.Helper()
	g, err := newGoldens(pattern, components)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	g.update = updating()
	for i, name := range g.names {
		t.Run(name, func(t *testing.T) {
			if problem := g.check(t, i); problem != "" {
				t.Errorf("testkit: %s: %s", name, problem)
			}
		})
	}
	t.Run("this version", func(t *testing.T) {
		if problem := g.record(t, script); problem != "" {
			t.Errorf("testkit: %s", problem)
		}
	})
}

// goldens are the golden files of a test.
type goldens struct {
	pattern    string
	components []cloudstate.Component
	names      []string
	files      []*goldenFile
	update     bool
}

func newGoldens(pattern string, components []cloudstate.Component) (*goldens, error) {
	if strings.Count(filepath.Base(pattern), "*") != 1 {
		return nil, fmt.Errorf("the pattern %q has no asterisk in its file name, or several; want one, such as in testdata/*.json", pattern)
	}
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q: %w", pattern, err)
	}
	g := &goldens{pattern: pattern, components: components, names: names}
	for _, name := range names {
		file, err := readGolden(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		g.files = append(g.files, file)
	}
	return g, nil
}

// record writes what this version stores into a file, or returns why it should be. If there is
// a file with that, it does nothing.
func (g *goldens) record(t *testing.T, script func(t *testing.T, kit *Kit)) string {
	t.Helper()
	now := g.play(t, script)
	switch {
	case t.Failed(), slices.ContainsFunc(g.files, now.storesAs):
		return ""
	case len(now.Replies) == 0:
		return "the script does not end with a command that shows what is stored, and changes nothing; a golden file needs one"
	case slices.ContainsFunc(g.files, now.storesLike) && !g.play(t, script).storesAs(now):
		return "" // it differs each time
	case !g.update:
		return fmt.Sprintf("no file of %s has what this version stores. Run go test with -%s to record it, and keep the files that there are: "+
			"they are what earlier versions have stored", g.pattern, updateFlag)
	}
	if err := now.write(g.next()); err != nil {
		return err.Error()
	}
	return ""
}

// next returns the name of a new file.
func (g *goldens) next() string {
	for n := len(g.names) + 1; ; n++ {
		name := filepath.Join(filepath.Dir(g.pattern), strings.Replace(filepath.Base(g.pattern), "*", fmt.Sprint(n), 1))
		if _, err := os.Stat(name); err != nil { // another reason than that there is none, writing finds out
			return name
		}
	}
}

// play runs the script, and returns what it leaves.
func (g *goldens) play(t *testing.T, script func(t *testing.T, kit *Kit)) *goldenFile {
	t.Helper()
	file := &goldenFile{}
	synctest.Test(t, func(t *testing.T) {
		kit := New(t, g.components...)
		script(t, kit)
		synctest.Wait()
		var err error
		if file, err = kit.golden(); err != nil {
			t.Errorf("testkit: %v", err)
		}
	})
	return file
}

const goldenHint = "What earlier versions have stored is still there in production. " +
	"Let it be read: entity.Alias is for what was renamed, entity.Upcast for what has another shape."

// check returns why a file cannot be read by one of its ways; "" if it can.
func (g *goldens) check(t *testing.T, i int) string {
	t.Helper()
	file := g.files[i]
	for _, way := range file.ways() {
		replies, problem := g.replay(t, file, way)
		if problem != "" {
			return fmt.Sprintf("what an earlier version has stored would be lost: %s\n%s", problem, goldenHint)
		}
		if g.update {
			file.Replies = replies
			continue
		}
		for j, reply := range replies {
			if then, now := file.Replies[j].text(), reply.text(); then != now {
				return fmt.Sprintf("what an earlier version has stored is read as something else, %s.\nThen it was %s\nand now it is %s\n"+
					"%s If only the form of replies has changed, run go test with -%s.", way, then, now, goldenHint, updateFlag)
			}
		}
	}
	if g.update {
		if err := file.write(g.names[i]); err != nil {
			return err.Error()
		}
	}
	return ""
}
