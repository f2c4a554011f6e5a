package power

func serveNATS(dir string) error { return nil }
