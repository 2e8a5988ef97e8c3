package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// guide returns the page of the documentation.
func guide(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "store-sqlite.md"))
	require.NoError(t, err)
	return string(page)
}

func TestGuide_DescribesEveryColumn(t *testing.T) {
	t.Parallel()
	_, tables, found := strings.Cut(guide(t), "## The tables")
	require.True(t, found)
	tables, _, found = strings.Cut(tables, "\n## ")
	require.True(t, found)
	f := newFixture(t)
	columns := strings.Fields(strings.Join(f.texts(
		`SELECT schema.name || '.' || columns.name FROM sqlite_schema AS schema, pragma_table_info(schema.name) AS columns
		WHERE schema.type IN ('table', 'view') AND schema.name NOT LIKE 'sqlite_%'`), " "))
	require.Greater(t, len(columns), 40)
	for _, column := range columns {
		table, name, _ := strings.Cut(column, ".")
		_, described, found := strings.Cut(tables, "**`"+table+"`**")
		require.True(t, found, "table %s", table)
		described, _, _ = strings.Cut(described, "\n**`")
		require.Contains(t, described, "`"+name+"`", "table %s", table)
	}
}

func TestGuide_AsksQuestionsThatHaveAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.append("first"))
	_, err := f.Put(t.Context(), store.Write{Key: cart, OpID: store.OpID{1}}, []byte("value"))
	require.NoError(t, err)
	consumer := store.Consumer{Kind: store.TopicSource, Source: "items", Service: "a.Service", Group: "group"}
	require.NoError(t, f.Publish(t.Context(), "items", []byte("message")))
	require.NoError(t, f.SavePosition(t.Context(), consumer, store.Position{}))
	_, err = f.AddDeadLetter(t.Context(), store.DeadLetter{Consumer: consumer})
	require.NoError(t, err)

	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(guide(t), -1)
	require.Greater(t, len(blocks), 4)
	for _, block := range blocks {
		require.Len(t, f.texts(block[1]), 1, block[1])
	}
}

// texts returns the first column of all rows, as texts.
func (f *fixture) texts(query string) []string {
	f.Helper()
	rows, err := f.db.QueryContext(f.Context(), query)
	require.NoError(f, err)
	columns, err := rows.Columns()
	require.NoError(f, err)
	texts, err := scan(rows, nil, func(rows *sql.Rows, text *string) (int, error) {
		into := make([]any, len(columns))
		for i := range into {
			into[i] = new(any)
		}
		into[0] = text
		return 0, rows.Scan(into...)
	})
	require.NoError(f, err)
	return texts
}
