package coded

import "github.com/eventus-go/eventus"

type tried struct{ by string }

func (tried) Apply(*Sum) {}

var _ = eventus.Define("bill", eventus.New[Bill], eventus.Type[tried]("bill.tried"))

var _ = Bills.WithCodec(binary{})
