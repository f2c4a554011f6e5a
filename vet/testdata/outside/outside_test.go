package outside

func opened() *Account {
	a := new(Account)
	a.Record(Opened{})
	return a
}
