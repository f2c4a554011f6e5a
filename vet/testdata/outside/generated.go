package outside

//line generated.y:1000
func generated(a *Account) {
	//eventusvet:ignore outside the generator knows the rules
	a.Record(Opened{})
}
