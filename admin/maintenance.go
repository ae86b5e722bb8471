package admin

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Status is the state of the server at a glance.
type Status struct {
	Version     string         `json:"version"`
	Domains     []string       `json:"domains"`
	Started     time.Time      `json:"started"`
	Users       int64          `json:"users"`
	Devices     int64          `json:"devices"`
	Groups      int            `json:"groups"`
	Messages    int64          `json:"messages"`
	Bytes       int64          `json:"bytes" doc:"Size of the database files."`
	Queue       int            `json:"queue" doc:"Operations waiting for the writer of the store."`
	IndexLag    int64          `json:"index_lag" doc:"Messages that search does not find yet."`
	Connections int            `json:"connections"`
	Calls       int            `json:"calls" doc:"In progress, with those that ring."`
	MediaPorts  PortStatus     `json:"media_ports"`
	Trunks      []TrunkStatus  `json:"trunks"`
	Listeners   []ListenStatus `json:"listeners"`
	Problem     string         `json:"problem,omitempty" doc:"Why the server is not ready; absent when it is."`
}

// ListenStatus is one open address.
type ListenStatus struct {
	Transport string `json:"transport"`
	Address   string `json:"address"`
}

// PortStatus tells how many ports the relay uses; each side of a call takes two
// for a stream, fewer where RTP and RTCP share one.
type PortStatus struct {
	Used int `json:"used"`
	Free int `json:"free"`
}

// TrunkStatus is the state of a trunk as a whole.
type TrunkStatus struct {
	Name  string `json:"name"`
	State string `json:"state" enum:"up,down,unknown,disabled"`
}

// VerifyReport is the result of a check of the store.
type VerifyReport struct {
	Problems int    `json:"problems"`
	Report   string `json:"report"`
}

func (a *API) registerMaintenance(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/status", "status", "Show the state of the server"), a.status)
	huma.Register(api, long(operation(http.MethodPost, "/v1/backup", "backup", "Make a backup and send it as a tar archive")), a.backup)
	huma.Register(api, long(operation(http.MethodPost, "/v1/verify", "verify", "Check the integrity of the store")), a.verify)
}

func (a *API) status(ctx context.Context, _ *struct{}) (*reply[Status], error) {
	s, err := a.Status(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	s.Version = a.Version
	if err := a.Ready(); err != nil {
		s.Problem = err.Error()
	}
	return &reply[Status]{s}, nil
}

func (a *API) backup(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	if err := a.audit(ctx, "backup", "", nil); err != nil {
		return nil, err
	}
	return a.stream("application/x-tar", a.writeBackup), nil
}

func (a *API) writeBackup(ctx context.Context, w io.Writer) error {
	return a.Backup(ctx, w)
}

func (a *API) verify(ctx context.Context, _ *struct{}) (*reply[VerifyReport], error) {
	var report bytes.Buffer
	problems, err := a.Verify(ctx, &report)
	if err != nil {
		return nil, a.problem(err)
	}
	result := VerifyReport{problems, report.String()}
	if err := a.audit(ctx, "verify", "", map[string]int{"problems": problems}); err != nil {
		return nil, err
	}
	return &reply[VerifyReport]{result}, nil
}
