package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/siderolabs/discovery-api/api/v1alpha1/client/pb"
	"github.com/siderolabs/discovery-client/pkg/client"
)

// node is an affiliate with addresses as text.
type node struct {
	NodeID          string        `json:"nodeId"`
	Hostname        string        `json:"hostname,omitempty"`
	Nodename        string        `json:"nodename,omitempty"`
	MachineType     string        `json:"machineType,omitempty"`
	OperatingSystem string        `json:"operatingSystem,omitempty"`
	Addresses       []string      `json:"addresses,omitempty"`
	KubeSpan        *kubeSpan     `json:"kubespan,omitempty"`
	ControlPlane    *controlPlane `json:"controlPlane,omitempty"`
	Endpoints       []string      `json:"endpoints,omitempty"`
}

type kubeSpan struct {
	PublicKey                  string   `json:"publicKey"`
	Address                    string   `json:"address,omitempty"`
	AdditionalAddresses        []string `json:"additionalAddresses,omitempty"`
	ExcludeAdvertisedAddresses []string `json:"excludeAdvertisedAddresses,omitempty"`
}

type controlPlane struct {
	Port uint32 `json:"port"`
}

func (local node) toProto() (*client.Affiliate, error) {
	affiliate := &pb.Affiliate{
		NodeId:          local.NodeID,
		Hostname:        local.Hostname,
		Nodename:        local.Nodename,
		MachineType:     local.MachineType,
		OperatingSystem: local.OperatingSystem,
	}

	for _, text := range local.Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}

		affiliate.Addresses = append(affiliate.Addresses, address.AsSlice())
	}

	if local.KubeSpan != nil {
		var err error
		if affiliate.Kubespan, err = local.KubeSpan.toProto(); err != nil {
			return nil, err
		}
	}

	if local.ControlPlane != nil {
		affiliate.ControlPlane = &pb.ControlPlane{ApiServerPort: local.ControlPlane.Port}
	}

	published := &client.Affiliate{Affiliate: affiliate}

	for _, text := range local.Endpoints {
		endpoint, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, err
		}

		published.Endpoints = append(published.Endpoints, &pb.Endpoint{
			Ip:   endpoint.Addr().AsSlice(),
			Port: uint32(endpoint.Port()),
		})
	}

	return published, nil
}

func (span kubeSpan) toProto() (*pb.KubeSpan, error) {
	address, err := netip.ParseAddr(span.Address)
	if err != nil {
		return nil, err
	}

	additional, err := toPrefixes(span.AdditionalAddresses)
	if err != nil {
		return nil, err
	}

	excluded, err := toPrefixes(span.ExcludeAdvertisedAddresses)
	if err != nil {
		return nil, err
	}

	return &pb.KubeSpan{
		PublicKey:                  span.PublicKey,
		Address:                    address.AsSlice(),
		AdditionalAddresses:        additional,
		ExcludeAdvertisedAddresses: excluded,
	}, nil
}

func toPrefixes(texts []string) ([]*pb.IPPrefix, error) {
	prefixes := make([]*pb.IPPrefix, 0, len(texts))

	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}

		prefixes = append(prefixes, &pb.IPPrefix{Ip: prefix.Addr().AsSlice(), Bits: uint32(prefix.Bits())})
	}

	return prefixes, nil
}

// fromAffiliates sorts, so that equal views are equal lines.
func fromAffiliates(affiliates []*client.Affiliate) []node {
	nodes := make([]node, 0, len(affiliates))

	for _, affiliate := range affiliates {
		nodes = append(nodes, fromAffiliate(affiliate))
	}

	slices.SortFunc(nodes, func(a, b node) int { return strings.Compare(a.NodeID, b.NodeID) })

	return nodes
}

func fromAffiliate(seen *client.Affiliate) node {
	affiliate := seen.Affiliate
	found := node{
		NodeID:          affiliate.NodeId,
		Hostname:        affiliate.Hostname,
		Nodename:        affiliate.Nodename,
		MachineType:     affiliate.MachineType,
		OperatingSystem: affiliate.OperatingSystem,
	}

	for _, bytes := range affiliate.Addresses {
		found.Addresses = append(found.Addresses, addressText(bytes))
	}

	if span := affiliate.Kubespan; span != nil {
		found.KubeSpan = &kubeSpan{
			PublicKey:                  span.PublicKey,
			Address:                    addressText(span.Address),
			AdditionalAddresses:        fromPrefixes(span.AdditionalAddresses),
			ExcludeAdvertisedAddresses: fromPrefixes(span.ExcludeAdvertisedAddresses),
		}
	}

	if affiliate.ControlPlane != nil {
		found.ControlPlane = &controlPlane{Port: affiliate.ControlPlane.ApiServerPort}
	}

	for _, endpoint := range seen.Endpoints {
		address, _ := netip.AddrFromSlice(endpoint.Ip)
		found.Endpoints = append(found.Endpoints, netip.AddrPortFrom(address, uint16(endpoint.Port)).String())
	}

	slices.Sort(found.Endpoints)

	return found
}

func fromPrefixes(prefixes []*pb.IPPrefix) []string {
	texts := make([]string, 0, len(prefixes))
	for _, prefix := range prefixes {
		texts = append(texts, fmt.Sprintf("%s/%d", addressText(prefix.Ip), prefix.Bits))
	}

	return texts
}
