module github.com/eventus-go/eventus/fire

go 1.26.0

require (
	github.com/hanwen/go-fuse/v2 v2.12.1
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/eventus-go/eventus => ..
