package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) userPicture() *cobra.Command { return c.pictureCommand("USER", "a tile", userURL) }

func (c *cli) groupPicture() *cobra.Command {
	return c.pictureCommand("GROUP", "a mosaic of its members", groupURL)
}

// pictureCommand uploads or removes a picture; route is the owner's.
func (c *cli) pictureCommand(owner, without string, route func(name string) string) *cobra.Command {
	remove := false
	cmd := &cobra.Command{
		Use:   "picture " + owner + " [FILE]",
		Short: "Set or remove a picture, and print where it is",
		Long: "Upload a picture: PNG, JPEG, GIF or WebP of at most 5 MB, whose middle square is\n" +
			"kept. - reads standard input. Without one, or after --remove, there is " + without + ".\n" +
			"Everybody who has the printed address can see the picture.",
		Args: arguments(cobra.RangeArgs(1, 2)),
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "remove the uploaded picture")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if remove == (len(args) == 2) {
			return errors.New("name a FILE, or say --remove")
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		var at admin.PictureAddress
		path := route(args[0]) + "/picture"
		if remove {
			err = api.call(cmd.Context(), http.MethodDelete, path, nil, &at)
		} else {
			err = uploadPicture(cmd, api, path, args[1], &at)
		}
		if err != nil {
			return err
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), at)
		}
		fmt.Fprintln(cmd.OutOrStdout(), at.Picture)
		return nil
	}
	return cmd
}

func uploadPicture(cmd *cobra.Command, api *client, path, name string, at *admin.PictureAddress) error {
	file, err := openInput(cmd, name)
	if err != nil {
		return err
	}
	defer file.Close()
	answer, err := api.stream(cmd.Context(), http.MethodPut, path, "application/octet-stream", io.Reader(file))
	if err != nil {
		return err
	}
	defer answer.Close()
	return decode(answer, at)
}
