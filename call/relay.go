package call

import "github.com/sparkleim/sparkle/media"

// Relay is what calls need of the media engine.
type Relay interface {
	NewSession(on func(media.Event)) Session
}

// Session is the media of one call, as [media.Session] is.
type Session interface {
	NewLeg(p media.Profile) Leg
	Connect(a, b Leg)
	Together(f func())
	Close()
}

// Leg is one side of it, as [media.Leg] is.
type Leg interface {
	TakeOffer(sdp []byte) error
	MakeAnswer(from Leg) ([]byte, error)
	PreviewAnswer(from Leg) ([]byte, error)
	MakeOffer(from Leg) ([]byte, error)
	TakeAnswer(sdp []byte) error
	Rollback()
	Keying() media.Keying
	Close()
	Report() []media.StreamReport
}

// EngineRelay lets an engine relay for calls.
func EngineRelay(e *media.Engine) Relay { return relay{e} }

type relay struct{ *media.Engine }

func (r relay) NewSession(on func(media.Event)) Session { return session{r.Engine.NewSession(on)} }

type session struct{ *media.Session }

func (s session) NewLeg(p media.Profile) Leg { return leg{s.Session.NewLeg(p)} }
func (s session) Connect(a, b Leg)           { s.Session.Connect(a.(leg).Leg, b.(leg).Leg) }

type leg struct{ *media.Leg }

func (l leg) MakeAnswer(from Leg) ([]byte, error)    { return l.Leg.MakeAnswer(from.(leg).Leg) }
func (l leg) PreviewAnswer(from Leg) ([]byte, error) { return l.Leg.PreviewAnswer(from.(leg).Leg) }

// MakeOffer offers audio in the usual codecs when there is nobody yet to speak for.
func (l leg) MakeOffer(from Leg) ([]byte, error) {
	if from == nil {
		return l.Leg.MakeOffer(nil)
	}
	return l.Leg.MakeOffer(from.(leg).Leg)
}
