package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// socketName is the administration socket in the data directory.
const socketName = "admin.sock"

// errNotRunning tells that no server listens on the socket.
var errNotRunning = errors.New("the server does not run")

// client talks to a running server over its Unix socket.
type client struct {
	socket string
	http   *http.Client
}

// client connects to the server whose data directory the flags name.
func (c *cli) client() (*client, error) {
	dir, err := c.dir()
	if err != nil {
		return nil, err
	}
	return newClient(filepath.Join(dir, socketName)), nil
}

func newClient(socket string) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, socket) }
	return &client{socket, &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

func dialSocket(ctx context.Context, socket string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", socket)
}

// stream sends a request and returns the body of the answer.
func (c *client) stream(ctx context.Context, method, path, contentType string, body io.Reader) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://sparkle"+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	var dialed *net.OpError
	if errors.As(err, &dialed) && dialed.Op == "dial" {
		return nil, fmt.Errorf("%w or may not be asked (%s: %v): start it with `sparkle serve`, become its user, or name its directory with --data", errNotRunning, c.socket, dialed.Err)
	}
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		return nil, problemOf(response)
	}
	return response.Body, nil
}

// problem is an error that the server answered.
type problem struct {
	status int
	detail string
	rows   []*huma.ErrorDetail
}

func (p *problem) Error() string {
	lines := []string{p.detail}
	for _, row := range p.rows {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("  %s %v: %s", row.Location, row.Value, row.Message)))
	}
	return strings.Join(lines, "\n  ")
}

func problemOf(response *http.Response) error {
	var model huma.ErrorModel
	if err := json.NewDecoder(response.Body).Decode(&model); err != nil || model.Detail == "" {
		return fmt.Errorf("the server answered %s", response.Status)
	}
	return &problem{response.StatusCode, model.Detail, model.Errors}
}

// call sends in as JSON (nil for no body) and decodes the answer into out (nil
// for an answer without one).
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	answer, err := c.stream(ctx, method, path, "application/json", body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if out == nil {
		return nil
	}
	return json.NewDecoder(answer).Decode(out)
}
