package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/samlfailover/samlfailover/store/seal"
)

// A bound record lives under one key for ever, and what is sealed in it names
// the key's creation revision and version in etcd, which a client of etcd cannot
// choose: an older value that is put back has another version, one that is
// deleted and made again another creation. The first version is blank, because
// the creation revision is known only once it is written.
type bound struct {
	Created int64           `json:"created"`
	Version int64           `json:"version"`
	Body    json.RawMessage `json:"body"`
}

// slot is a bound record's key as last seen. Version 0: it does not exist; 1: it
// is blank.
type slot struct {
	name             string // without the prefix
	created, version int64
}

// openBound verifies a bound record. kv is nil if the key does not exist.
func (s *Store) openBound(name string, kv *mvccpb.KeyValue, into any) (slot, error) {
	at := slot{name: name}
	if kv == nil {
		return at, nil
	}
	key := s.key(name)
	raw, _, err := s.opts.Seal.Verify(key, kv.Value)
	if err != nil {
		return at, err
	}
	var b bound
	if err := json.Unmarshal(raw, &b); err != nil {
		return at, seal.Refuse(key, "it is not a record: "+err.Error())
	}
	at.created, at.version = kv.CreateRevision, kv.Version
	blank := b.Created == 0 && b.Version == 1 && bytes.Equal(b.Body, []byte("null"))
	switch {
	case kv.Version == 1 && blank:
		return at, nil
	case b.Created != kv.CreateRevision || b.Version != kv.Version:
		return at, seal.Refuse(key, "an older value was put back, or the record was deleted and made again")
	}
	if err := json.Unmarshal(b.Body, into); err != nil {
		return at, seal.Refuse(key, "it does not hold what it should: "+err.Error())
	}
	return at, nil
}

// putBound returns the comparisons and the operation that replace a bound record
// which is as at says.
func (s *Store) putBound(at slot, body any) ([]clientv3.Cmp, clientv3.Op, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, clientv3.Op{}, fmt.Errorf("encode %s for the store: %w", at.name, err)
	}
	b := bound{Created: at.created, Version: at.version + 1, Body: raw}
	if at.version == 0 {
		b.Created = 0
	}
	whole, err := json.Marshal(b)
	if err != nil {
		return nil, clientv3.Op{}, fmt.Errorf("encode %s for the store: %w", at.name, err)
	}
	key := s.key(at.name)
	sealed, _ := s.opts.Seal.Sign(key, whole)
	if len(sealed) > maxValue {
		return nil, clientv3.Op{}, fmt.Errorf("write %s: %d bytes are too many for one record (limit %d)", key, len(sealed), maxValue)
	}
	same := []clientv3.Cmp{clientv3.Compare(clientv3.Version(key), "=", at.version), clientv3.Compare(clientv3.CreateRevision(key), "=", at.created)}
	return same, clientv3.OpPut(key, string(sealed)), nil
}

// putSigned returns the operation that stores a value under a name.
func (s *Store) putSigned(name string, v any, opts ...clientv3.OpOption) (clientv3.Op, seal.Tag, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return clientv3.Op{}, "", fmt.Errorf("encode %s for the store: %w", name, err)
	}
	key := s.key(name)
	sealed, tag := s.opts.Seal.Sign(key, raw)
	if len(sealed) > maxValue {
		return clientv3.Op{}, "", fmt.Errorf("write %s: %d bytes are too many for one record (limit %d)", key, len(sealed), maxValue)
	}
	return clientv3.OpPut(key, string(sealed), opts...), tag, nil
}

// openSigned verifies a signed value and decodes it.
func (s *Store) openSigned(kv *mvccpb.KeyValue, into any) (seal.Tag, error) {
	key := string(kv.Key)
	raw, tag, err := s.opts.Seal.Verify(key, kv.Value)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return "", seal.Refuse(key, "it does not hold what it should: "+err.Error())
	}
	return tag, nil
}

// one returns the only value of an answer, nil if there is none.
func one(r *clientv3.GetResponse) *mvccpb.KeyValue {
	if r == nil || len(r.Kvs) == 0 {
		return nil
	}
	return r.Kvs[0]
}
