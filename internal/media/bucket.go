package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Bucket says where the files are in S3, or in what speaks as it does.
type Bucket struct {
	Endpoint string // host, or host:port
	Name     string
	Prefix   string // before the names of files
	Region   string
	Key      string
	Secret   string
	Plain    bool // HTTP without TLS
	HTTP     http.RoundTripper
}

// bucket is blobs in S3.
type bucket struct {
	client *minio.Client
	Bucket
}

func openBucket(b Bucket) (*bucket, error) {
	client, err := minio.New(b.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(b.Key, b.Secret, ""), Secure: !b.Plain, Region: b.Region, BucketLookup: minio.BucketLookupAuto, Transport: b.HTTP,
		MaxRetries: 3,
	})
	if err != nil {
		return nil, fmt.Errorf("open the bucket of files: %w", err)
	}
	return &bucket{client, b}, nil
}

func (b *bucket) put(ctx context.Context, name string, from *os.File, size int64, mime string) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := b.client.PutObject(ctx, b.Name, b.Prefix+name, from, size, minio.PutObjectOptions{ContentType: mime})
	return err
}

func (b *bucket) open(ctx context.Context, name string) (io.ReadSeekCloser, error) {
	o, err := b.client.GetObject(ctx, b.Name, b.Prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := o.Stat(); err != nil {
		if missing(err) {
			err = fs.ErrNotExist
		}
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// missing reports whether S3 says that there is no such object.
func missing(err error) bool {
	response, ok := errors.AsType[minio.ErrorResponse](err)
	return ok && response.StatusCode == http.StatusNotFound
}

// remove succeeds where nothing of the name is, as S3 does.
func (b *bucket) remove(ctx context.Context, name string) error {
	return b.client.RemoveObject(ctx, b.Name, b.Prefix+name, minio.RemoveObjectOptions{})
}

func (b *bucket) each(ctx context.Context, before time.Time, f func(name string) error) error {
	list, stop := context.WithCancel(ctx)
	defer stop() // ends the listing where f does
	for o := range b.client.ListObjects(list, b.Name, minio.ListObjectsOptions{Prefix: b.Prefix, Recursive: true}) {
		if o.Err != nil {
			return fmt.Errorf("list files: %w", o.Err)
		}
		if !o.LastModified.Before(before) {
			continue
		}
		if err := f(strings.TrimPrefix(o.Key, b.Prefix)); err != nil {
			return err
		}
	}
	return nil
}

// Check tells whether the bucket is there and may be used.
func (b Bucket) Check(ctx context.Context) error {
	open, err := openBucket(b)
	if err != nil {
		return err
	}
	there, err := open.client.BucketExists(ctx, b.Name)
	if err == nil && !there {
		err = fmt.Errorf("there is no bucket %q", b.Name)
	}
	return err
}
