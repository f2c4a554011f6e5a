package pgtest

var DockerAnswers = dockerAnswers

// HidePrograms hides what a PATH does not name.
func HidePrograms() { usual = nil }

// Dir is where s keeps everything.
func Dir(s *Server) string { return s.dir }

// Set changes a setting from the next start on.
func Set(s *Server, name, value string) { s.opts.Settings = map[string]string{name: value} }
