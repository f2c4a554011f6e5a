package powercut

// journal is what was done to names and is not on the disk, in order.
type journal struct {
	operations []operation
}

// carryFirst carries the first n operations to the disk.
func (j *journal) carryFirst(n int) {
	for _, o := range j.operations[:n] {
		o.carry()
	}
	clear(j.operations[:n])
	j.operations = j.operations[n:]
}

// carryUpTo carries the last operation that touches n, and all before it.
func (j *journal) carryUpTo(n *node) {
	for i := len(j.operations) - 1; i >= 0; i-- {
		if j.operations[i].touches(n) {
			j.carryFirst(i + 1)
			return
		}
	}
}

// carryFolder carries the operations that change entries of folder.
func (j *journal) carryFolder(folder *node) {
	j.carrySome(func(o operation) bool {
		for _, c := range o.changes {
			if c.folder == folder {
				return true
			}
		}
		return false
	})
}

// carrySome carries the operations that are wanted, and those which they rest on:
// earlier ones that change the same entries.
func (j *journal) carrySome(wanted func(operation) bool) (carried int) {
	keep := make([]bool, len(j.operations))
	needed := make(map[key]bool)
	for i := len(j.operations) - 1; i >= 0; i-- {
		o := j.operations[i]
		keep[i] = wanted(o)
		for _, c := range o.changes {
			keep[i] = keep[i] || needed[c.key()]
		}
		if keep[i] {
			for _, c := range o.changes {
				needed[c.key()] = true
			}
		}
	}
	var rest []operation
	for i, o := range j.operations {
		if keep[i] {
			o.carry()
			carried++
		} else {
			rest = append(rest, o)
		}
	}
	j.operations = rest
	return carried
}
