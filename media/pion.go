package media

import ( // until their users are there: keeps them in go.mod
	_ "github.com/pion/dtls/v3"
	_ "github.com/pion/rtcp"
	_ "github.com/pion/rtp"
	_ "github.com/pion/srtp/v3"
	_ "github.com/pion/stun/v4"
)
