package fakeroute53

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const namespace = "https://route53.amazonaws.com/doc/2013-04-01/"

type xmlZone struct {
	ID      string `xml:"Id"`
	Name    string
	Ref     string `xml:"CallerReference"`
	Private bool   `xml:"Config>PrivateZone"`
}

// zonesByName lists zones from a name on, in the order of reversed labels, then ids.
func (s *Service) zonesByName(w http.ResponseWriter, r *http.Request) {
	from := strings.TrimSuffix(r.URL.Query().Get("dnsname"), ".") + "."
	limit := number(r, "maxitems", 100)
	zones := slices.Clone(s.zones)
	slices.SortFunc(zones, func(a, b *Zone) int {
		return cmp.Or(cmp.Compare(reversed(a.Name), reversed(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	var body struct {
		XMLName   xml.Name  `xml:"ListHostedZonesByNameResponse"`
		Xmlns     string    `xml:"xmlns,attr"`
		Zones     []xmlZone `xml:"HostedZones>HostedZone"`
		DNSName   string
		Truncated bool `xml:"IsTruncated"`
		MaxItems  int
	}
	body.Xmlns, body.DNSName, body.MaxItems = namespace, from, limit
	for _, z := range zones {
		if reversed(z.Name) < reversed(from) {
			continue
		}
		if len(body.Zones) == limit {
			body.Truncated = true
			break
		}
		body.Zones = append(body.Zones, xmlZone{ID: "/hostedzone/" + z.ID, Name: z.Name, Ref: "test", Private: z.Private})
	}
	answer(w, 200, body)
}

func reversed(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

type xmlValue struct{ Value string }

type xmlSet struct {
	Name   string
	Type   string
	TTL    *int64     `xml:",omitempty"`
	Values []xmlValue `xml:"ResourceRecords>ResourceRecord"`
}

// list lists record sets from a name on.
func (s *Service) list(w http.ResponseWriter, r *http.Request) {
	z := s.zone(w, r)
	if z == nil {
		return
	}
	var body struct {
		XMLName   xml.Name `xml:"ListResourceRecordSetsResponse"`
		Xmlns     string   `xml:"xmlns,attr"`
		Sets      []xmlSet `xml:"ResourceRecordSets>ResourceRecordSet"`
		Truncated bool     `xml:"IsTruncated"`
		NextName  string   `xml:"NextRecordName,omitempty"`
		NextType  string   `xml:"NextRecordType,omitempty"`
		MaxItems  int
	}
	body.Xmlns, body.MaxItems = namespace, number(r, "maxitems", 100)
	order := func(a, b key) int {
		return cmp.Or(cmp.Compare(reversed(a.name), reversed(b.name)), cmp.Compare(a.kind, b.kind))
	}
	from := key{r.URL.Query().Get("name"), r.URL.Query().Get("type")}
	for _, k := range slices.SortedFunc(maps.Keys(z.sets), order) {
		switch {
		case from.name != "" && order(k, from) < 0:
		case len(body.Sets) == body.MaxItems:
			if !body.Truncated {
				body.Truncated, body.NextName, body.NextType = true, k.name, k.kind
			}
		default:
			set := z.sets[k]
			// The service writes a wildcard's asterisk as \052.
			x := xmlSet{Name: strings.ReplaceAll(k.name, "*", `\052`), Type: k.kind, TTL: &set.TTL}
			for _, v := range set.Values {
				x.Values = append(x.Values, xmlValue{v})
			}
			body.Sets = append(body.Sets, x)
		}
	}
	answer(w, 200, body)
}

type xmlChange struct {
	Action string
	Set    xmlSet `xml:"ResourceRecordSet"`
}

// change applies a batch, whole or not at all.
func (s *Service) change(w http.ResponseWriter, r *http.Request) {
	z := s.zone(w, r)
	if z == nil {
		return
	}
	var request struct {
		Changes []xmlChange `xml:"ChangeBatch>Changes>Change"`
	}
	data, err := io.ReadAll(r.Body)
	if err == nil {
		err = xml.Unmarshal(data, &request)
	}
	switch {
	case err != nil:
		fail(w, 400, "InvalidInput", "Invalid XML ; "+err.Error())
		return
	case s.denied:
		fail(w, 403, "AccessDenied", "User: arn:aws:iam::123456789012:user/dkimbot is not authorized to perform: "+
			"route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/"+z.ID)
		return
	case s.busy > 0:
		s.busy--
		fail(w, 400, "PriorRequestNotComplete",
			"The request was rejected because Route 53 was still processing a prior request.")
		return
	}
	after := maps.Clone(z.sets)
	var problems []string
	for _, c := range request.Changes {
		problems = append(problems, apply(after, z.Name, c)...)
	}
	if len(problems) > 0 {
		invalidBatch(w, problems)
		return
	}
	z.sets = after
	s.changes++
	s.answerChange(w, "ChangeResourceRecordSetsResponse", fmt.Sprintf("C%013d", s.changes))
}

func (s *Service) getChange(w http.ResponseWriter, r *http.Request) {
	s.answerChange(w, "GetChangeResponse", r.PathValue("id"))
}

func (s *Service) answerChange(w http.ResponseWriter, name, id string) {
	type info struct {
		ID     string `xml:"Id"`
		Status string
		At     string `xml:"SubmittedAt"`
	}
	answer(w, 200, struct {
		XMLName xml.Name
		Xmlns   string `xml:"xmlns,attr"`
		Info    info   `xml:"ChangeInfo"`
	}{xml.Name{Local: name}, namespace, info{"/change/" + id, "INSYNC", "2026-01-02T03:04:05Z"}})
}

func (s *Service) zone(w http.ResponseWriter, r *http.Request) *Zone {
	for _, z := range s.zones {
		if z.ID == r.PathValue("id") {
			return z
		}
	}
	fail(w, 404, "NoSuchHostedZone", "No hosted zone found with ID: "+r.PathValue("id"))
	return nil
}

func number(r *http.Request, parameter string, fallback int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(parameter)); err == nil {
		return n
	}
	return fallback
}

func fail(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Xmlns   string   `xml:"xmlns,attr"`
		Type    string   `xml:"Error>Type"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
		ID      string   `xml:"RequestId"`
	}{Xmlns: namespace, Type: "Sender", Code: code, Message: message, ID: "11111111-2222-3333-4444-555555555555"})
}

func invalidBatch(w http.ResponseWriter, messages []string) {
	answer(w, 400, struct {
		XMLName  xml.Name `xml:"InvalidChangeBatch"`
		Xmlns    string   `xml:"xmlns,attr"`
		Messages []string `xml:"Messages>Message"`
		ID       string   `xml:"RequestId"`
	}{Xmlns: namespace, Messages: messages, ID: "11111111-2222-3333-4444-555555555555"})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	io.WriteString(w, xml.Header)
	xml.NewEncoder(w).Encode(body)
}
