// Ten thousand goroutines that wait in channels, mutexes, selects and conditions, and a nil dereference.
package main

import (
	"sync"
	"time"
)

type task struct {
	number int
	name   string
	values []float64
	next   *task
}

var (
	lock  sync.Mutex
	turn  = sync.NewCond(&sync.Mutex{})
	empty = make(chan *task)
	full  = make(chan int, 4)
)

func receive(t *task) *task { return <-empty }

func wait(t *task, ready *sync.WaitGroup) {
	local := map[string]int{t.name: t.number}
	ready.Done()
	switch t.number % 4 {
	case 0:
		receive(t)
	case 1:
		lock.Lock()
	case 2:
		select {
		case found := <-empty:
			local[found.name]++
		case full <- t.number:
		}
	case 3:
		turn.L.Lock()
		turn.Wait()
	}
	t.values = append(t.values, float64(len(local)))
}

//go:noinline
func last(t *task) int { return t.next.next.number }

func main() {
	lock.Lock()
	for len(full) < cap(full) {
		full <- 1
	}
	var ready sync.WaitGroup
	for number := 0; number < 10000; number++ {
		ready.Add(1)
		go wait(&task{number: number, name: "task", values: []float64{1, 2}}, &ready)
	}
	ready.Wait()
	time.Sleep(300 * time.Millisecond)
	println(last(&task{next: &task{}}))
}
