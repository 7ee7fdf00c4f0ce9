package file

import (
	"os"
	"sync"
	"testing"
)

// A sweep takes no temporary file from a writer, however close it comes to the
// moment at which the file is made.
func TestSweepWhileWriting(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := &selectorDir{Root: root}
	defer d.Close()
	written := make(chan struct{})
	var sweepers sync.WaitGroup
	for range 4 {
		sweepers.Go(func() {
			for {
				select {
				case <-written:
					return
				default:
					d.sweep()
				}
			}
		})
	}
	for n := 1; n <= 300; n++ {
		tmp, err := d.writeTemp([]byte("a key"))
		if err != nil {
			continue // swept ten times before it was locked
		}
		if !d.names(tmp.name, tmp.File) {
			t.Errorf("of temporary file %d nothing is left", n)
		}
		d.Remove(tmp.name)
		tmp.Close()
	}
	close(written)
	sweepers.Wait()
}
