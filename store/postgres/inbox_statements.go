package postgres

// inboxStatements are the statements of the inbox' queues, keys and letters.
type inboxStatements struct {
	resetMarks, resetQueues, resetMessages, resetKeys, resetIncarnation string

	incarnation, remember, forgetOlder               string
	setQueue, findQueue, deleteQueue                 string
	enqueueMessage, queued, deleteMessages           string
	dueQueues, listQueues, orphanQueues, countQueues string
	addLetter, listLetters, trimLetters              string
}

func newInboxStatements(in func(text string) string) inboxStatements {
	return inboxStatements{
		resetMarks: in(resetMarksSQL), resetQueues: in(resetQueuesSQL),
		resetMessages: in(resetMessagesSQL), resetKeys: in(resetKeysSQL), resetIncarnation: in(resetIncarnationSQL),
		incarnation: in(incarnationSQL), remember: in(rememberSQL), forgetOlder: in(forgetOlderSQL),
		setQueue: in(setQueueSQL), findQueue: in(findQueueSQL), deleteQueue: in(deleteQueueSQL),
		enqueueMessage: in(enqueueSQL), queued: in(queuedSQL), deleteMessages: in(deleteMessagesSQL),
		dueQueues: in(dueQueuesSQL), listQueues: in(listQueuesSQL), orphanQueues: in(orphanQueuesSQL), countQueues: in(countQueuesSQL),
		addLetter: in(addLetterSQL), listLetters: in(listLettersSQL), trimLetters: in(trimLettersSQL),
	}
}
