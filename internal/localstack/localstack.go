// Package localstack is what obidos does so that whoever leaves LocalStack changes the image's name and nothing else: it reads
// LocalStack's environment variables, runs its init hooks, and answers its own endpoints below /_localstack.
//
// It promises to be honest where obidos does less: a variable without effect is named in one warning, and a service that is not
// served is not called available.
package localstack
