// IAM and STS with the AWS SDK for Go v2.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func check(ok bool, what string) {
	if !ok {
		log.Fatal("not so: ", what)
	}
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

func main() {
	ctx := context.Background()
	c := must(config.LoadDefaultConfig(ctx))
	users := iam.NewFromConfig(c)
	queue := must(sqs.NewFromConfig(c).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("go")})).QueueUrl
	user := must(users.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("erin")})).User
	key := must(users.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user.UserName})).AccessKey
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + *user.Arn + `"},"Action":"sts:AssumeRole"}]}`
	role := must(users.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("go-sender"), AssumeRolePolicyDocument: &trust})).Role
	must(users.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role.RoleName, PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonSQSFullAccess")}))

	erin := c.Copy()
	erin.Credentials = credentials.NewStaticCredentialsProvider(*key.AccessKeyId, *key.SecretAccessKey, "")
	send := &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("x")}
	_, err := sqs.NewFromConfig(erin).SendMessage(ctx, send)
	check(code(err) == "AccessDenied", "erin may not send: "+code(err))
	sender := c.Copy()
	sender.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(erin), *role.Arn, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "go" }))
	must(sqs.NewFromConfig(sender).SendMessage(ctx, send))
	who := must(sts.NewFromConfig(sender).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
	check(strings.HasSuffix(*who.Arn, ":assumed-role/go-sender/go"), "the session is the role's: "+*who.Arn)

	_, err = users.DeleteUser(ctx, &iam.DeleteUserInput{UserName: user.UserName})
	var conflict *types.DeleteConflictException
	check(errors.As(err, &conflict), "a user with a key stays")
	must(users.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role.RoleName, PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonSQSFullAccess")}))
	_, err = sqs.NewFromConfig(sender).SendMessage(ctx, send)
	check(code(err) == "AccessDenied", "what the role loses its sessions lose: "+code(err))
	fmt.Println("ok: Go v2 with IAM")
}
