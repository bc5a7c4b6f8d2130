module obidos.invalid/e2e/gov1

go 1.26

require github.com/aws/aws-sdk-go v1.46.7

require github.com/jmespath/go-jmespath v0.4.0 // indirect
