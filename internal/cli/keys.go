package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

func newKeysCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Create, list and revoke the write keys of apps and websites", Args: subcommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newKeysNewCmd(a), newKeysListCmd(a), newKeysRevokeCmd(a), newKeysSecretCmd(a))
	return cmd
}

type keysNewOptions struct {
	name    string
	origins []string
	rate    int
}

func newKeysNewCmd(a *App) *cobra.Command {
	var o keysNewOptions
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Create a write key and print it once",
		Long: `Create a key with which apps and websites send events through the libraries of
Segment and RudderStack. The key is printed once and stored nowhere. Add the printed
entry, which has only the key's hash, to WriteKeys in the variables file, then deploy.`,
		Example: `  streamctl keys new web --origin https://www.example.com --rate 50
  streamctl keys new ios`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runKeysNew(cmd.Context(), a, o)
		},
	}
	cmd.Flags().StringArrayVar(&o.origins, "origin", nil, "web origin whose pages may use the key, * for every origin; may be given several times (default: no page)")
	cmd.Flags().IntVar(&o.rate, "rate", 0, "requests per second that an execution environment accepts with the key; 0 sets no limit")
	return cmd
}

// newKey is the result of `keys new`.
type newKey struct {
	Name    string   `json:"name"`
	Key     string   `json:"key"`
	Hash    string   `json:"hash"`
	Origins []string `json:"origins,omitempty"`
	Rate    int      `json:"rate,omitempty"`
}

func runKeysNew(ctx context.Context, a *App, o keysNewOptions) error {
	if err := config.CheckKeyName(o.name); err != nil {
		return &usageError{err: fmt.Errorf("name %q: %w", o.name, err)}
	}
	for _, origin := range o.origins {
		if err := config.CheckOrigin(origin); err != nil {
			return &usageError{err: fmt.Errorf("--origin %q: %w", origin, err)}
		}
	}
	if o.rate < 0 || o.rate > config.MaxRate {
		return &usageError{err: fmt.Errorf("--rate %d: want 0 to %d requests per second", o.rate, config.MaxRate)}
	}
	v, err := a.load(ctx)
	if err != nil {
		return err
	}
	for _, k := range v.WriteKeys {
		if k.Name == o.name {
			return &usageError{err: fmt.Errorf("name %q: %s has a key of this name", o.name, a.flags.variables), hint: "choose another name; both keys work until you revoke one"}
		}
	}
	r := newKey{Name: o.name, Origins: o.origins, Rate: o.rate}
	r.Key, r.Hash = contract.NewWriteKey()
	return a.printResult(r, func() {
		a.printf("%s\n\nAdd this entry to WriteKeys in %s, then run `streamctl deploy`:\n\n", r.Key, a.flags.variables)
		if len(v.WriteKeys) == 0 { // a second list would be an error
			a.printf("WriteKeys:\n")
		}
		a.printf("  - %s\n", r.entry())
	})
}

// entry is the key's entry in the variables file.
func (k newKey) entry() string {
	text := "{Name: " + k.Name + ", Hash: " + k.Hash
	if len(k.Origins) > 0 {
		text += ", Origins: ['" + strings.Join(k.Origins, "', '") + "']"
	}
	if k.Rate > 0 {
		text += fmt.Sprintf(", Rate: %d", k.Rate)
	}
	return text + "}"
}

func newKeysListCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the write keys in the variables file", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runKeysList(cmd.Context(), a) },
	}
}

// listedKey is an entry of the result of `keys list`.
type listedKey struct {
	Name    string   `json:"name"`
	Hash    string   `json:"hash"`
	Origins []string `json:"origins"`
	Rate    int      `json:"rate"`
}

func runKeysList(ctx context.Context, a *App) error {
	v, err := a.load(ctx)
	if err != nil {
		return err
	}
	keys := []listedKey{}
	for _, k := range v.WriteKeys {
		keys = append(keys, listedKey{Name: k.Name, Hash: k.Hash, Origins: append([]string{}, k.Origins...), Rate: k.Rate})
	}
	return a.printResult(keys, func() {
		if len(keys) == 0 {
			a.printf("no write keys for %s: every request must be signed\n", v.Environment)
		}
		for _, k := range keys {
			from, limit := "no page", "no limit"
			if len(k.Origins) > 0 {
				from = strings.Join(k.Origins, " ")
			}
			if k.Rate > 0 {
				limit = fmt.Sprintf("%d requests/s per environment", k.Rate)
			}
			a.printf("%s  %s…  %s  %s\n", k.Name, k.Hash[:8], from, limit)
		}
	})
}

func newKeysRevokeCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Remove a write key from the variables file",
		Long: `Remove the entries of a write key from the variables file, in all environments. The
key stops working with the next deploy. Everything else in the file stays as it is.`,
		Example: "  streamctl keys revoke web && streamctl deploy",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runKeysRevoke(cmd.Context(), a, args[0]) },
	}
}

// revokedKey is the result of `keys revoke`.
type revokedKey struct {
	Name    string `json:"name"`
	Removed int    `json:"removed"`
}

func runKeysRevoke(ctx context.Context, a *App, name string) error {
	if _, err := a.load(ctx); err != nil {
		return err
	}
	text, n, err := config.RemoveWriteKey(a.variables, name)
	if err != nil {
		return err
	}
	if n == 0 {
		return &usageError{err: fmt.Errorf("%s has no write key %q", a.flags.variables, name), hint: "`streamctl keys list` lists the keys"}
	}
	if err := replaceFile(a.flags.variables, text); err != nil {
		return fmt.Errorf("write variables: %w", err)
	}
	return a.printResult(revokedKey{Name: name, Removed: n}, func() {
		a.printf("Removed %s from %s. Run `streamctl deploy`: until then the key works.\n", name, a.flags.variables)
	})
}
