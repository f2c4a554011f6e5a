package consume

import "log/slog"

// listen asks the broker for hints, if there is one and it has not been asked.
func (m *member[Tx]) listen() error {
	m.hints.Lock()
	defer m.hints.Unlock()
	if m.cfg.Wake == nil || m.stopWake != nil {
		return nil
	}
	stop, err := m.cfg.Wake.Notify(m.categories(), m.hint)
	if err != nil {
		if !m.deaf {
			m.log.Warn("no hints from the broker; the consumer looks at the log by itself", slog.Duration("interval", m.cfg.MaxPollInterval), slog.Any("error", err))
		}
		m.deaf = true
		return nil
	}
	m.stopWake, m.deaf = stop, false
	return nil
}

// hint wakes all workers.
func (m *member[Tx]) hint() {
	m.hints.Lock()
	defer m.hints.Unlock()
	close(m.hinted)
	m.hinted = make(chan struct{})
}

func (m *member[Tx]) hintOf() <-chan struct{} {
	m.hints.Lock()
	defer m.hints.Unlock()
	return m.hinted
}
