package credential

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/service/iam/totp"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	maxDevices = 8 // of a user

	enableSteps = 2   // by which a new device's clock may be off
	resyncSteps = 120 // by which one that is resynchronized may be: an hour
	verifySteps = 1   // by which a code may be early or late, beyond what is known of its device
)

// device is the virtual MFA device of a serial number, and its key.
func (s *Credentials) device(tx *store.Tx, h form.Home, serial string) (d deviceRecord, key string, err error) {
	if path, ok := strings.CutPrefix(serial, h.ARN("mfa/")); ok {
		key = form.Fold("/" + path)
		if d, ok := s.tables.devices.Get(tx, h.Account, key); ok && d.Name == "/"+path {
			return d, key, nil
		}
	}
	return d, "", iamapi.NoSuchEntityException("VirtualMFADevice with serial number %s does not exist.", serial)
}

func (d *deviceRecord) serial(h form.Home) string { return h.ARN("mfa" + d.Name) }

// CreateVirtualMFADevice makes a device that nobody has yet. Its seed is told this once.
func (s *Credentials) CreateVirtualMFADevice(ctx context.Context, in *iamapi.CreateVirtualMFADeviceInput) (*iamapi.CreateVirtualMFADeviceOutput, error) {
	if err := form.CheckName("virtualMFADeviceName", in.VirtualMFADeviceName); err != nil {
		return nil, err
	}
	path, err := form.CheckPath(in.Path)
	if err != nil {
		return nil, err
	}
	tags, err := form.AddTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	d := deviceRecord{Name: path + in.VirtualMFADeviceName, Seed: totp.NewSeed(), Tags: tags}
	picture, err := totp.PNG(totp.URL(in.VirtualMFADeviceName, form.HomeOf(ctx).Account, d.Seed))
	if err != nil {
		return nil, form.Invalid("The specified value for virtualMFADeviceName is invalid. It is too long.")
	}
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.CreateVirtualMFADeviceOutput, error) {
		d.Created = form.Seconds(tx)
		if s.tables.devices.Has(tx, h.Account, form.Fold(d.Name)) {
			return nil, iamapi.EntityAlreadyExistsException("MFADevice entity at the same path and name already exists.")
		}
		s.tables.devices.Set(tx, d, h.Account, form.Fold(d.Name))
		return &iamapi.CreateVirtualMFADeviceOutput{VirtualMFADevice: &iamapi.VirtualMFADevice{
			SerialNumber: d.serial(h), Base32StringSeed: []byte(totp.Base32(d.Seed)), QRCodePNG: picture, Tags: form.Tags(d.Tags),
		}}, nil
	})
}

// DeleteVirtualMFADevice deletes a device that nobody has.
func (s *Credentials) DeleteVirtualMFADevice(ctx context.Context, in *iamapi.DeleteVirtualMFADeviceInput) (*iamapi.DeleteVirtualMFADeviceOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeleteVirtualMFADeviceOutput, error) {
		d, key, err := s.device(tx, h, in.SerialNumber)
		if err != nil {
			return nil, err
		}
		if d.User != "" {
			return nil, iamapi.DeleteConflictException("MFA VirtualDevice in use. Must deactivate first.")
		}
		s.tables.devices.Delete(tx, h.Account, key)
		return &iamapi.DeleteVirtualMFADeviceOutput{}, nil
	})
}

func errCode() *aws.Error {
	return iamapi.InvalidAuthenticationCodeException("Authentication code for device is not valid.")
}

// EnableMFADevice gives a device to a user who can show two of its codes.
func (s *Credentials) EnableMFADevice(ctx context.Context, in *iamapi.EnableMFADeviceInput) (*iamapi.EnableMFADeviceOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.EnableMFADeviceOutput, error) {
		u, err := s.user(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		d, key, err := s.device(tx, h, in.SerialNumber)
		if err != nil {
			return nil, err
		}
		if d.User != "" {
			return nil, iamapi.EntityAlreadyExistsException("MFA Device is already in use.")
		}
		has := 0
		for range s.tables.userDevices.Keys(tx, store.ScanOptions{}, h.Account, u.ID) {
			has++
		}
		if has >= maxDevices {
			return nil, form.OverQuota("MFADevicesPerUser", maxDevices)
		}
		now := totp.Step(tx.Now())
		n, ok := totp.FindPair(d.Seed, in.AuthenticationCode1, in.AuthenticationCode2, now-enableSteps, now+enableSteps)
		if !ok {
			return nil, errCode()
		}
		d.User, d.Enabled, d.Ahead, d.Last = u.ID, form.Seconds(tx), n-now, n
		s.tables.devices.Set(tx, d, h.Account, key)
		s.tables.userDevices.Set(tx, d.Name, h.Account, u.ID, key)
		return &iamapi.EnableMFADeviceOutput{}, nil
	})
}

// userDevice is the device of a serial number that a user has.
func (s *Credentials) userDevice(tx *store.Tx, h form.Home, u *User, serial string) (deviceRecord, string, error) {
	d, key, err := s.device(tx, h, serial)
	if err != nil || d.User != u.ID {
		return d, "", iamapi.NoSuchEntityException("MFA Device invalid for user.")
	}
	return d, key, nil
}

// ResyncMFADevice takes note of how far a device's clock is off.
func (s *Credentials) ResyncMFADevice(ctx context.Context, in *iamapi.ResyncMFADeviceInput) (*iamapi.ResyncMFADeviceOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ResyncMFADeviceOutput, error) {
		u, err := s.user(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		d, key, err := s.userDevice(tx, h, &u, in.SerialNumber)
		if err != nil {
			return nil, err
		}
		now := totp.Step(tx.Now())
		n, ok := totp.FindPair(d.Seed, in.AuthenticationCode1, in.AuthenticationCode2, now-resyncSteps, now+resyncSteps)
		if !ok {
			return nil, errCode()
		}
		d.Ahead, d.Last = n-now, n
		s.tables.devices.Set(tx, d, h.Account, key)
		return &iamapi.ResyncMFADeviceOutput{}, nil
	})
}

// DeactivateMFADevice takes a device from a user.
func (s *Credentials) DeactivateMFADevice(ctx context.Context, in *iamapi.DeactivateMFADeviceInput) (*iamapi.DeactivateMFADeviceOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeactivateMFADeviceOutput, error) {
		u, err := s.holder(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		d, key, err := s.userDevice(tx, h, &u, in.SerialNumber)
		if err != nil {
			return nil, err
		}
		d.User, d.Enabled, d.Ahead = "", 0, 0
		s.tables.devices.Set(tx, d, h.Account, key)
		s.tables.userDevices.Delete(tx, h.Account, u.ID, key)
		return &iamapi.DeactivateMFADeviceOutput{}, nil
	})
}

// ListMFADevices lists the devices of a user.
func (s *Credentials) ListMFADevices(ctx context.Context, in *iamapi.ListMFADevicesInput) (*iamapi.ListMFADevicesOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ListMFADevicesOutput, error) {
		u, err := s.holderOrRoot(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListMFADevicesOutput{MFADevices: []iamapi.MFADevice{}}
		for k := range s.tables.userDevices.Keys(tx, p.Options(), h.Account, u.ID) {
			key := k.String(2)
			if !p.Add(key) {
				break
			}
			d, _ := s.tables.devices.Get(tx, h.Account, key)
			out.MFADevices = append(out.MFADevices, iamapi.MFADevice{UserName: u.Name, SerialNumber: d.serial(h), EnableDate: form.At(d.Enabled)})
		}
		out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
		return out, nil
	})
}

// ListVirtualMFADevices lists the devices of an account.
func (s *Credentials) ListVirtualMFADevices(ctx context.Context, in *iamapi.ListVirtualMFADevicesInput) (*iamapi.ListVirtualMFADevicesOutput, error) {
	if in.AssignmentStatus.Set {
		if err := form.CheckEnum("assignmentStatus", in.AssignmentStatus.V); err != nil {
			return nil, err
		}
	}
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ListVirtualMFADevicesOutput, error) {
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListVirtualMFADevicesOutput{VirtualMFADevices: []iamapi.VirtualMFADevice{}}
		for k, d := range s.tables.devices.Scan(tx, p.Options(), h.Account) {
			if status := in.AssignmentStatus.V; status == "Assigned" && d.User == "" || status == "Unassigned" && d.User != "" {
				continue
			}
			if !p.Add(k.String(1)) {
				break
			}
			v := iamapi.VirtualMFADevice{SerialNumber: d.serial(h)}
			if u, ok := s.users.Shown(tx, h, d.User); ok {
				v.User, v.EnableDate = &u, aws.Some(form.At(d.Enabled))
			}
			out.VirtualMFADevices = append(out.VirtualMFADevices, v)
		}
		out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
		return out, nil
	})
}

// GetMFADevice tells whose a device is, and since when.
func (s *Credentials) GetMFADevice(ctx context.Context, in *iamapi.GetMFADeviceInput) (*iamapi.GetMFADeviceOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.GetMFADeviceOutput, error) {
		u, err := s.holderOrRoot(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		d, _, err := s.userDevice(tx, h, &u, in.SerialNumber)
		if err != nil {
			return nil, err
		}
		return &iamapi.GetMFADeviceOutput{UserName: aws.NonZero(u.Name), SerialNumber: d.serial(h), EnableDate: aws.Some(form.At(d.Enabled))}, nil
	})
}

// deviceTags are the tags of the device of a serial number.
func (s *Credentials) deviceTags(serial string) form.Find {
	return func(tx *store.Tx, h form.Home) (form.Tagged, error) {
		d, key, err := s.device(tx, h, serial)
		return form.Tagged{Tags: d.Tags, Save: func(tags []form.Tag) { d.Tags = tags; s.tables.devices.Set(tx, d, h.Account, key) }}, err
	}
}

// TagMFADevice tags a virtual device.
func (s *Credentials) TagMFADevice(ctx context.Context, in *iamapi.TagMFADeviceInput) (*iamapi.TagMFADeviceOutput, error) {
	return &iamapi.TagMFADeviceOutput{}, s.deviceTags(in.SerialNumber).Add(ctx, s.space, in.Tags)
}

// UntagMFADevice takes tags from a virtual device.
func (s *Credentials) UntagMFADevice(ctx context.Context, in *iamapi.UntagMFADeviceInput) (*iamapi.UntagMFADeviceOutput, error) {
	return &iamapi.UntagMFADeviceOutput{}, s.deviceTags(in.SerialNumber).Remove(ctx, s.space, in.TagKeys)
}

// ListMFADeviceTags lists the tags of a virtual device.
func (s *Credentials) ListMFADeviceTags(ctx context.Context, in *iamapi.ListMFADeviceTagsInput) (*iamapi.ListMFADeviceTagsOutput, error) {
	tags, p, err := s.deviceTags(in.SerialNumber).List(ctx, s.space, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListMFADeviceTagsOutput{Tags: tags, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// VerifyMFA reports whether a code is one that a user's device shows now, and has not been used. It counts once.
func (s *Credentials) VerifyMFA(ctx context.Context, user, serial, code string) (bool, error) {
	arn, ok := aws.ParseARN(user)
	path, isUser := strings.CutPrefix(arn.Resource, "user/")
	if !ok || !isUser {
		return false, nil // nobody else has a device
	}
	h := form.Home{Account: arn.Account, Partition: arn.Partition}
	return store.Update(ctx, s.space, func(tx *store.Tx) (bool, error) {
		u, err := s.user(ctx, tx, h, path[strings.LastIndexByte(path, '/')+1:])
		if err != nil {
			return false, nil
		}
		d, key, err := s.userDevice(tx, h, &u, serial)
		if err != nil {
			return false, nil
		}
		now := totp.Step(tx.Now())
		n, ok := totp.Find(d.Seed, code, max(now+d.Ahead-verifySteps, d.Last+1), now+d.Ahead+verifySteps)
		if !ok {
			return false, nil
		}
		d.Last, d.Ahead = n, n-now // its clock goes a little wrong all the time
		s.tables.devices.Set(tx, d, h.Account, key)
		return true, nil
	})
}
