module github.com/obidos-cloud/obidos/test/wire

go 1.26.0

require (
	github.com/fxamacker/cbor/v2 v2.10.0
	github.com/obidos-cloud/obidos v0.0.0
)

require github.com/x448/float16 v0.8.4 // indirect

replace github.com/obidos-cloud/obidos => ../..
