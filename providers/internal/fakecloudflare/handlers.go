package fakecloudflare

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *Service) listZones(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.URL.Query().Get("name")
	page(w, r, 20, slices.DeleteFunc(slices.Clone(s.zones), func(z zone) bool { return name != "" && z.Name != name }))
}

// inZone finds the zone of the path and locks the service.
func (s *Service) inZone(h func(http.ResponseWriter, *http.Request, zone)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		i := slices.IndexFunc(s.zones, func(z zone) bool { return z.ID == r.PathValue("zone") })
		if i < 0 {
			fail(w, 404, 7003, "Could not route to "+r.URL.Path+", perhaps your object identifier is invalid?")
			return
		}
		h(w, r, s.zones[i])
	}
}

func (s *Service) list(w http.ResponseWriter, r *http.Request, z zone) {
	q := r.URL.Query()
	found := []Record{}
	for _, id := range slices.Sorted(maps.Keys(s.records)) {
		rec := s.records[id]
		if rec.zone == z.ID &&
			(q.Get("type") == "" || q.Get("type") == rec.Type) &&
			(q.Get("name") == "" || strings.EqualFold(q.Get("name"), rec.Name)) &&
			(q.Get("content.exact") == "" || q.Get("content.exact") == rec.Content) &&
			strings.Contains(rec.Content, q.Get("content.contains")) {
			found = append(found, rec)
		}
	}
	page(w, r, 100, found)
}

// change is what a request may say about a record.
type change struct {
	ID      string
	Type    string
	Name    string
	Content string
	TTL     *int
}

func (s *Service) create(w http.ResponseWriter, r *http.Request, z zone) {
	var c change
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		fail(w, 400, 9207, "Request body is invalid.")
		return
	}
	rec, status, code, message := s.put(z, Record{ID: s.id("rec"), TTL: 1, zone: z.ID}, c)
	if code != 0 {
		fail(w, status, code, message)
		return
	}
	succeed(w, rec, nil)
}

func (s *Service) patch(w http.ResponseWriter, r *http.Request, z zone) {
	old, ok := s.records[r.PathValue("id")]
	var c change
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		fail(w, 400, 9207, "Request body is invalid.")
		return
	}
	if !ok || old.zone != z.ID {
		fail(w, 404, 81044, "Record does not exist.")
		return
	}
	rec, status, code, message := s.put(z, old, c)
	if code != 0 {
		fail(w, status, code, message)
		return
	}
	succeed(w, rec, nil)
}

func (s *Service) remove(w http.ResponseWriter, r *http.Request, z zone) {
	id := r.PathValue("id")
	if s.records[id].zone != z.ID {
		fail(w, 404, 81044, "Record does not exist.")
		return
	}
	delete(s.records, id)
	succeed(w, map[string]string{"id": id}, nil)
}

// batch applies deletes, patches and posts, in this order, all or none.
func (s *Service) batch(w http.ResponseWriter, r *http.Request, z zone) {
	var b struct{ Deletes, Patches, Posts []change }
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
		fail(w, 400, 9207, "Request body is invalid.")
		return
	}
	before := maps.Clone(s.records)
	undo := func(status, code int, message string) {
		s.records = before
		fail(w, status, code, message)
	}
	done := map[string][]Record{"deletes": {}, "patches": {}, "posts": {}}
	for _, c := range append(slices.Clone(b.Deletes), b.Patches...) {
		if s.records[c.ID].zone != z.ID {
			undo(404, 81044, "Record does not exist.")
			return
		}
	}
	for _, c := range b.Deletes {
		done["deletes"] = append(done["deletes"], s.records[c.ID])
		delete(s.records, c.ID)
	}
	for i, c := range append(slices.Clone(b.Patches), b.Posts...) {
		old, kind := Record{ID: s.id("rec"), TTL: 1, zone: z.ID}, "posts"
		if i < len(b.Patches) {
			old, kind = s.records[c.ID], "patches"
		}
		rec, status, code, message := s.put(z, old, c)
		if code != 0 {
			undo(status, code, message)
			return
		}
		done[kind] = append(done[kind], rec)
	}
	succeed(w, done, nil)
}

// put applies c to rec and keeps it, or says why not.
func (s *Service) put(z zone, rec Record, c change) (_ Record, status, code int, message string) {
	if c.Type != "" {
		rec.Type = c.Type
	}
	if c.Name != "" {
		rec.Name = absolute(strings.ToLower(c.Name), z.Name)
	}
	if c.TTL != nil {
		rec.TTL = *c.TTL
	}
	if c.Content != "" {
		rec.Content = c.Content
		if rec.Type == "TXT" {
			texts, err := stringsOf(c.Content)
			if err != nil {
				return rec, 400, 9207, "Content for TXT record is invalid: " + err.Error()
			}
			rec.Content = quote(texts)
		}
	}
	if rec.TTL != 1 && (rec.TTL < 60 || rec.TTL > 86400) {
		return rec, 400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic."
	}
	n := 0
	for id, other := range s.records {
		if other.zone != z.ID || id == rec.ID {
			continue
		}
		n++
		if other.Name != rec.Name {
			continue
		}
		switch {
		case other.Type == rec.Type && other.Content == rec.Content:
			return rec, 400, 81058, "An identical record already exists."
		case other.Type == "CNAME":
			return rec, 400, 81054, "A CNAME record with that host already exists."
		case rec.Type == "CNAME":
			return rec, 400, 81053, "An A, AAAA, or CNAME record with that host already exists."
		}
	}
	if n >= s.Quota {
		return rec, 400, 81045, "Record quota exceeded."
	}
	s.records[rec.ID] = rec
	return rec, 0, 0, ""
}

// absolute reads a name as the service does: relative unless it ends in the zone.
func absolute(name, zone string) string {
	name = strings.TrimSuffix(name, ".")
	if name == "@" || name == zone {
		return zone
	}
	return strings.TrimSuffix(name, "."+zone) + "." + zone
}

type info struct {
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Count      int `json:"count"`
	TotalCount int `json:"total_count"`
}

func page[T any](w http.ResponseWriter, r *http.Request, perPage int, all []T) {
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil {
		perPage = n
	}
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		n = 1
	}
	from := min((n-1)*perPage, len(all))
	to := min(from+perPage, len(all))
	succeed(w, all[from:to], &info{Page: n, PerPage: perPage, Count: to - from, TotalCount: len(all)})
}

func succeed(w http.ResponseWriter, result any, i *info) {
	answer(w, 200, map[string]any{"success": true, "errors": []any{}, "messages": []any{}, "result": result,
		"result_info": i})
}

func fail(w http.ResponseWriter, status, code int, message string) {
	answer(w, status, map[string]any{
		"success": false, "errors": []any{map[string]any{"code": code, "message": message}}, "messages": []any{},
		"result": nil})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
