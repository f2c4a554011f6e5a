// Package codec turns events and states into bytes and back.
//
// The content type is stored beside the bytes, so that a service can change
// its codec and still read what it wrote before.
package codec

// Codec encodes and decodes values of one content type. It is safe for
// concurrent use.
type Codec interface {
	// ContentType is the media type of what Encode returns (RFC 2046), for
	// example "application/json". It is stored with every event and decides
	// which codec decodes it.
	ContentType() string

	// Encode returns v as bytes that the caller owns. Equal values give equal
	// bytes.
	Encode(v any) ([]byte, error)

	// Decode fills the variable that v points to. It keeps nothing of data, and
	// it returns an error, never panics, whatever data holds.
	Decode(data []byte, v any) error
}
