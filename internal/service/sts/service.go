// Package sts is the AWS Security Token Service. It keeps no state. GetCallerIdentity answers who the caller is; the operations
// that issue credentials come with IAM and answer 501 until then.
package sts

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

// Service implements stsapi.Service.
type Service struct {
	stsapi.Unimplemented
}

// New is the service.
func New() *Service { return &Service{} }

// GetCallerIdentity is sts:GetCallerIdentity. AWS lets everybody ask who they are, whatever their policies say.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *stsapi.GetCallerIdentityInput) (*stsapi.GetCallerIdentityOutput, error) {
	p := aws.RequestOf(ctx).Principal
	return &stsapi.GetCallerIdentityOutput{UserId: aws.Some(p.UserID), Account: aws.Some(p.Account), Arn: aws.Some(p.ARN)}, nil
}
