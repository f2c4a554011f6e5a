package main

import (
	"path/filepath"

	"github.com/eventus-go/eventus/product/cmd/internal/program"
)

// folder is the data folder, locked against other processes for as long as it
// is open.
type folder struct {
	path  string
	close func()
}

func openFolder(path string) (*folder, error) {
	unlock, err := program.LockFolder("productd", path)
	if err != nil {
		return nil, err
	}
	return &folder{path, unlock}, nil
}

func (f *folder) database() string  { return filepath.Join(f.path, "product.db") }
func (f *folder) jetStream() string { return filepath.Join(f.path, "jetstream") }
