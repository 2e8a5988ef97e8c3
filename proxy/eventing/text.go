package eventing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeText returns text in a character set, by its name in any case, as UTF-8. No name
// means UTF-8.
func decodeText(data []byte, charset string) (string, error) {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii", "ascii": // UTF-8 has ASCII in it
		if !utf8.Valid(data) {
			return "", errors.New("the data is not valid UTF-8")
		}
		return string(data), nil
	case "iso-8859-1", "latin1":
		runes := make([]rune, len(data))
		for i, b := range data {
			runes[i] = rune(b)
		}
		return string(runes), nil
	case "utf-16be":
		return decodeUTF16(data, binary.BigEndian)
	case "utf-16le":
		return decodeUTF16(data, binary.LittleEndian)
	case "utf-16":
		if len(data) >= 2 && data[0] == 0xff && data[1] == 0xfe {
			return decodeUTF16(data[2:], binary.LittleEndian)
		}
		if len(data) >= 2 && data[0] == 0xfe && data[1] == 0xff {
			data = data[2:]
		}
		return decodeUTF16(data, binary.BigEndian) // the default of RFC 2781
	default:
		return "", fmt.Errorf("the character set %q is not supported, want UTF-8, US-ASCII, ISO-8859-1 or UTF-16", charset)
	}
}

func decodeUTF16(data []byte, order binary.ByteOrder) (string, error) {
	if len(data)%2 != 0 {
		return "", fmt.Errorf("the data is not valid UTF-16: it has %d bytes, which is odd", len(data))
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	runes := utf16.Decode(units)
	if !slices.Equal(utf16.Encode(runes), units) {
		return "", errors.New("the data is not valid UTF-16: it has half of a surrogate pair")
	}
	return string(runes), nil
}
