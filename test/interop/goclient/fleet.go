package main

import (
	"context"
	"crypto/aes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/siderolabs/discovery-client/pkg/client"
	"go.uber.org/zap"
)

type options struct {
	Endpoint  string `json:"endpoint"`
	Insecure  bool   `json:"insecure"`
	CA        string `json:"ca"`
	Cluster   string `json:"cluster"`
	Secret    string `json:"secret"`
	Affiliate string `json:"affiliate"`
	TTL       string `json:"ttl"`
}

type fleet struct {
	ctx     context.Context
	out     *printer
	members map[string]*member
}

type member struct {
	client *client.Client
	stop   context.CancelFunc
	done   chan struct{}
}

func (fleet *fleet) do(order command) error {
	if order.Op == "start" {
		return fleet.start(order.Client, order.options)
	}

	member, ok := fleet.members[order.Client]
	if !ok {
		return errors.New("there is no such client")
	}

	switch order.Op {
	case "publish":
		local, err := order.Local.toProto()
		if err != nil {
			return err
		}

		return member.client.SetLocalData(local, nil)
	case "delete":
		member.client.DeleteLocalAffiliate()
	case "stop":
		delete(fleet.members, order.Client)
		member.stop()
		<-member.done
	default:
		return errors.New("there is no such command")
	}

	return nil
}

func (fleet *fleet) start(name string, given options) error {
	key, err := base64.StdEncoding.DecodeString(given.Secret)
	if err != nil {
		return err
	}

	cipher, err := aes.NewCipher(key)
	if err != nil {
		return err
	}

	ttl, err := time.ParseDuration(given.TTL)
	if err != nil {
		return err
	}

	roots := x509.NewCertPool()

	if given.CA != "" {
		pem, err := os.ReadFile(given.CA)
		if err != nil {
			return err
		}

		if !roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate", given.CA)
		}
	}

	discovery, err := client.NewClient(client.Options{
		Cipher:        cipher,
		Endpoint:      given.Endpoint,
		ClusterID:     given.Cluster,
		AffiliateID:   given.Affiliate,
		ClientVersion: "v0.1.15",
		TTL:           ttl,
		Insecure:      given.Insecure,
		TLSConfig:     func() *tls.Config { return &tls.Config{RootCAs: roots} },
	})
	if err != nil {
		return err
	}

	ctx, stop := context.WithCancel(fleet.ctx)
	started := &member{client: discovery, stop: stop, done: make(chan struct{})}
	fleet.members[name] = started

	go fleet.run(ctx, name, started)

	return nil
}

func (fleet *fleet) run(ctx context.Context, name string, running *member) {
	defer close(running.done)

	notify := make(chan struct{}, 1)
	ended := make(chan error, 1)

	go func() { ended <- running.client.Run(ctx, zap.NewNop(), notify) }()

	for {
		select {
		case <-notify:
			fleet.out.print(event{
				Event:      "affiliates",
				Client:     name,
				Affiliates: fromAffiliates(running.client.GetAffiliates()),
				PublicIP:   addressText(running.client.GetPublicIP()),
			})
		case err := <-ended:
			line := event{Event: "stopped", Client: name}
			if err != nil && !errors.Is(err, context.Canceled) {
				line.Error = err.Error()
			}

			fleet.out.print(line)

			return
		}
	}
}

func (fleet *fleet) stopAll() {
	for _, member := range fleet.members {
		member.stop()
	}

	for _, member := range fleet.members {
		<-member.done
	}
}

func addressText(bytes []byte) string {
	if address, ok := netip.AddrFromSlice(bytes); ok {
		return address.String()
	}

	return ""
}
