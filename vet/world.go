package vet

import (
	"go/types"
	"regexp"
	"strings"
)

// world names what gives another answer at another time or on another machine:
// functions as path.Name, methods as path.Type.Name, variables as path.Name.
var world = []struct {
	what  string
	names *regexp.Regexp
	but   *regexp.Regexp // those of names that are pure; nil for none
}{
	{"reads the clock", regexp.MustCompile(`^time\.(Now|Since|Until|Sleep|After|AfterFunc|Tick|NewTicker|NewTimer)$`), nil},
	{"reads the time zone of the machine", regexp.MustCompile(`^time\.(Local|LoadLocation|Time\.Local)$`), nil},
	// A rand.Rand that is made here, from a seed in the event, is pure.
	{"reads a random source", regexp.MustCompile(`^math/rand(/v2)?\.(\w*Float\d+|Int\w*|Uint\w*|N|Perm|Read|Seed|Shuffle)$`), nil},
	{"reads a random source", regexp.MustCompile(`^(crypto/rand\.\w+|hash/maphash\.MakeSeed)$`), nil},
	{"makes a random id", regexp.MustCompile(`^github\.com/google/uuid\.New(String|Random|UUID|V6|V7|DCE\w+)?$`), nil},
	{"makes a random id", regexp.MustCompile(`^github\.com/gofrs/uuid(/v5)?\.NewV[1467]$`), nil},
	{"makes a random id", regexp.MustCompile(`^github\.com/(oklog/ulid(/v2)?\.(Make|Now)|rs/xid\.New|segmentio/ksuid\.New)$`), nil},
	{"reads the environment", regexp.MustCompile(`^os(/\w+)?\.`), regexp.MustCompile(`^os\.(Is\w+|Expand|Err\w+|NewSyscallError|SyscallError\..*)$`)},
	{"uses the network", regexp.MustCompile(`^net\.((Dial|Listen|Lookup|Resolve|Interface)\w*|(Dialer|Resolver|ListenConfig|\w*Conn|\w*Listener)\.\w+)$`), nil},
	{"uses the network", regexp.MustCompile(`^net/http\.((Get|Head|Post|PostForm)|(Client|Transport)\.\w+|Default(Client|Transport))$`), nil},
	{"uses a database", regexp.MustCompile(`^database/sql\.(Open|OpenDB|(DB|Conn|Tx|Stmt|Row|Rows)\.\w+)$`), nil},
}

// worldly returns what is impure about the use of a function or a package-level
// variable, such as "reads the clock (time.Now)", and "" when nothing is known.
func worldly(object types.Object) string {
	path := pathOf(object)
	for _, w := range world {
		if w.names.MatchString(path) && (w.but == nil || !w.but.MatchString(path)) {
			return w.what + " (" + path + ")"
		}
	}
	return ""
}

// shortNameOf returns the name of an object of a package as package.Name, and
// that of a method as package.Type.Name.
func shortNameOf(object types.Object) string {
	return object.Pkg().Name() + strings.TrimPrefix(pathOf(object), object.Pkg().Path())
}

// pathOf returns the name of an object of a package as path.Name, and that of a
// method as path.Type.Name.
func pathOf(object types.Object) string {
	if object.Pkg() == nil {
		return ""
	}
	name := object.Name()
	if method, ok := object.(*types.Func); ok && method.Signature().Recv() != nil {
		if receiver, ok := pointee(method.Signature().Recv().Type()).(*types.Named); ok {
			name = receiver.Obj().Name() + "." + name
		}
	}
	return object.Pkg().Path() + "." + name
}
