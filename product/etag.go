package product

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

var versionTag = regexp.MustCompile(`^(?:W/)?"(0|[1-9][0-9]*)"$`)

// ifMatch returns the version that the client expects, nil when it expects
// none. "*" expects that the product exists, which commands do anyway. A weak
// tag is as good as a strong one: proxies that compress weaken tags, and the
// version in it is what counts.
func ifMatch(r *http.Request) (*int64, error) {
	tags := r.Header.Values("If-Match")
	if len(tags) == 0 || len(tags) == 1 && tags[0] == "*" {
		return nil, nil
	}
	tag := versionTag.FindStringSubmatch(strings.Join(tags, ", "))
	if tag != nil {
		if version, err := strconv.ParseInt(tag[1], 10, 64); err == nil {
			return &version, nil
		}
	}
	return nil, newProblem(http.StatusBadRequest, `If-Match: want * or the one ETag of an earlier answer, such as "3"`)
}

// notModified reports whether the client has the version already.
func notModified(r *http.Request, version int64) bool {
	for tag := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || tag == etag(version) {
			return true
		}
	}
	return false
}
