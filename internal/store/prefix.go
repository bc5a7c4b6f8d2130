package store

// SpacePrefix is what all keys of the space named name begin with, and no others.
func SpacePrefix(name string) []byte { return append([]byte(name), 0) }

// TablePrefix is what all keys of that space's table id begin with, and no others.
func TablePrefix(name string, id uint8) []byte { return append(SpacePrefix(name), id) }

// NodePrefixes are what the keys begin with of all that this package keeps for the processes that use a store: it means
// nothing in another.
func NodePrefixes() [][]byte { return [][]byte{SpacePrefix(receiptSpace)} }
